#include "layout/file_by_file/file_by_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "shardfs/base/file_digest.h"

namespace shardfs {
namespace {

constexpr const OptionSpec& kNameMap = kFileByFileOptions[0];
constexpr const OptionSpec& kFileName = kFileByFileOptions[2];
constexpr std::size_t kMaxNameMapBytes = std::size_t{64} << 20;
constexpr std::string_view kCkptEnding = ".ckpt";
constexpr std::string_view kSafetensorsEnding = ".safetensors";
constexpr std::string_view kMergedName = "merged_lora.ckpt";

std::string FileNameOf(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

// The name of a source file in the other format: each occurrence of the one ending is replaced by the other, as the
// reference does. A file that has the format already keeps its name.
std::string Converted(std::string_view path, std::string_view extension) {
  const std::size_t name = path.rfind('/') + 1;
  const std::string_view from = extension == kCkptEnding ? kSafetensorsEnding : kCkptEnding;
  std::string converted(path);
  for (std::size_t at = converted.find(from, name); at != converted.npos; at = converted.find(from, at)) {
    converted.replace(at, from.size(), extension);
    at += extension.size();
  }
  return converted;
}

// Whether there are no files to be shown one by one: behind a transform, of one model in many files, and where a
// strategy puts ranks together.
bool IsWhole(const Checkpoint& checkpoint, const OptionValues& values) {
  return checkpoint.parts() == nullptr || !checkpoint.transforms().empty() || values.Find("src_strategy") != nullptr;
}

// Whether the source is a directory whose weights lie in it, and in no folders of ranks.
bool LiesFlat(const Checkpoint& checkpoint) {
  if (checkpoint.sources().roots().front()->is_file()) return false;
  const StoredParts& parts = *checkpoint.parts();
  for (std::size_t i = 0; i < parts.file_count(); ++i) {
    if (parts.FileName(i).find('/') != std::string_view::npos) return false;
  }
  return true;
}

// Whether the tensors lie in safetensors files alone, whose order means nothing.
bool IsSafetensors(const StateDict& tensors) {
  for (std::uint32_t i = 0; i < tensors.specs().size(); ++i) {
    if (!tensors.Origin(i).ends_with(kSafetensorsEnding)) return false;
  }
  return true;
}

// The tensors of type Int4 that `metadata` names; a tensor's name with any other text is refused.
Result<std::set<std::string_view>> Int4Names(const StateDict& tensors, const FileMetadata& metadata) {
  std::set<std::string_view> names;
  for (const auto& [name, text] : metadata) {
    const auto index = tensors.Find(name);
    if (!index) continue;
    const TensorSpec& spec = tensors.specs()[*index];
    if (text != "Int4" || spec.dtype != Dtype::kI8) {
      return Status::NotSupported(fmt::format(
          "{}: __metadata__ has {} under the name of tensor {}, which is {}; MindSpore knows Int4 of an I8 alone",
          QuoteName(tensors.Origin(*index)), QuoteName(text), QuoteName(name), DtypeName(spec.dtype)));
    }
    names.insert(spec.name);
  }
  return names;
}

}  // namespace

Result<FileByFile> FileByFile::Create(const CheckpointPtr& checkpoint, const OptionValues& values,
                                      std::string_view extension) {
  FileByFile view(checkpoint);
  SHARDFS_RETURN_IF_ERROR(view.ReadNameMap(values));
  SHARDFS_ASSIGN_OR_RETURN(view.filter_, NameFilter::Parse(values));
  view.file_name_ = values.Text(kFileName).value_or("");
  if (!view.file_name_.empty() && !IsPlainName(view.file_name_)) {
    return Status::InvalidArgument(fmt::format("file_name: {} is no name of a file", QuoteName(view.file_name_)));
  }
  const bool is_whole = IsWhole(*checkpoint, values) || (!view.file_name_.empty() && LiesFlat(*checkpoint));
  SHARDFS_RETURN_IF_ERROR(is_whole ? view.AddWhole(extension) : view.AddParts(extension));
  return view;
}

Status FileByFile::ReadNameMap(const OptionValues& values) {
  const auto path = values.Text(kNameMap);
  if (!path) return Status::Ok();
  const std::string what = "name_map " + QuoteName(*path);
  auto text = ReadTextFile(*path, kMaxNameMapBytes);
  if (!text.ok()) return Status::InvalidArgument(std::string(text.status().message()));
  auto json = ParseJson(*text, what);
  if (!json.ok()) return Status::InvalidArgument(std::string(json.status().message()));
  if (!json->is_object()) return Status::InvalidArgument(what + " is no JSON object of old names to new names");
  for (const auto& [old_name, new_name] : json->members()) {
    if (!new_name.is_string() || new_name.text().empty()) {
      return Status::InvalidArgument(fmt::format("{}: the new name of {} is no text", what, QuoteName(old_name)));
    }
    name_map_.emplace(old_name, new_name.text());
  }
  name_map_digest_ = FileDigest::OfBytes(std::as_bytes(std::span(*text))).ToHex();
  return Status::Ok();
}

Status FileByFile::AddParts(std::string_view extension) {
  const StoredParts& parts = *checkpoint_->parts();
  const bool is_file = checkpoint_->sources().roots().front()->is_file();
  std::size_t files = 0;
  for (std::size_t i = 0; i < parts.file_count(); ++i) {
    const std::string_view path = parts.FileName(i);
    if (!is_file && path.find('/') == path.npos) {
      return Status::InvalidArgument(fmt::format(
          "{} lies in the directory itself: of a directory, MindSpore converts the files of its folders rank*; "
          "give the file as SOURCE, or --file-name NAME for all tensors in one file",
          QuoteName(path)));
    }
    if (!is_file && !filter_.Takes(FileNameOf(path))) continue;
    ++files;
    const StateDictPtr tensors = parts.TensorsOf(i);
    std::string shown = Converted(path, extension);
    if (!file_name_.empty()) shown.replace(shown.rfind('/') + 1, shown.npos, file_name_);
    SHARDFS_RETURN_IF_ERROR(AddFile(std::move(shown), tensors, parts.MetadataOf(i), IsSafetensors(*tensors)));
  }
  if (files == 0) {
    return Status::InvalidArgument(fmt::format("file_name_regex: {} is found in none of the {} files' names",
                                               QuoteName(filter_.text()), parts.file_count()));
  }
  if (files > 1 && !file_name_.empty()) {
    return Status::InvalidArgument(fmt::format("file_name names one file, and {} are shown; leave it out", files));
  }
  return Status::Ok();
}

// All tensors in one file: those that a transform has made, or that ranks were merged to.
Status FileByFile::AddWhole(std::string_view extension) {
  const auto files = checkpoint_->sources().files();
  const auto transforms = checkpoint_->transforms();
  const bool is_merged = std::any_of(transforms.begin(), transforms.end(),
                                     [](const AppliedTransform& transform) { return transform.name == "lora"; });
  std::string name = file_name_;
  if (name.empty() && is_merged) {
    name = std::string(kMergedName) + (extension == kCkptEnding ? "" : std::string(extension));
  } else if (name.empty() && files.size() == 1) {
    name = FileNameOf(Converted(files.front()->name(), extension));
  } else if (name.empty()) {
    return Status::InvalidArgument(
        fmt::format("{} has {} files and no folders rank*, whose files could be shown one by one: give one file as "
                    "SOURCE, or --file-name NAME for all tensors in one file",
                    checkpoint_->path(), files.size()));
  }
  const StateDictPtr& tensors = checkpoint_->shared_tensors();
  return AddFile(std::move(name), tensors, checkpoint_->metadata(), IsSafetensors(*tensors));
}

Status FileByFile::AddFile(std::string path, StateDictPtr tensors, const FileMetadata& metadata, bool by_name) {
  SHARDFS_ASSIGN_OR_RETURN(const std::set<std::string_view> int4, Int4Names(*tensors, metadata));
  ShownFile file{std::move(path), tensors, {}};
  const auto specs = tensors->specs();
  file.shown.reserve(specs.size());
  std::unordered_map<std::string, std::string_view> old_names;
  for (std::uint32_t i = 0; i < specs.size(); ++i) {
    std::string old_name(specs[i].name);
    const auto renamed = name_map_.find(old_name);
    ShownTensor shown{i, renamed == name_map_.end() ? std::move(old_name) : renamed->second,
                      int4.contains(specs[i].name)};
    const auto [place, is_new] = old_names.try_emplace(shown.name, specs[i].name);
    if (!is_new) {
      return Status::InvalidArgument(fmt::format("name_map: {} and {} of {} would both be called {}",
                                                 QuoteName(place->second), QuoteName(specs[i].name),
                                                 QuoteName(tensors->Origin(i)), QuoteName(shown.name)));
    }
    file.shown.push_back(std::move(shown));
  }
  if (by_name) {
    std::sort(file.shown.begin(), file.shown.end(),
              [&](const ShownTensor& a, const ShownTensor& b) { return specs[a.index].name < specs[b.index].name; });
  }
  files_.push_back(std::move(file));
  return Status::Ok();
}

Result<View> FileByFile::Build(std::string_view layout, const MakeFile& make, OptionPairs options) {
  View view;
  VirtualTreeBuilder tree;
  std::set<std::string> folders;
  std::size_t tensors = 0;
  for (const ShownFile& file : files_) {
    const std::size_t slash = file.path.rfind('/');
    if (slash != file.path.npos && folders.insert(file.path.substr(0, slash)).second) {
      SHARDFS_RETURN_IF_ERROR(tree.AddDirectory(file.path.substr(0, slash), RankSet::All(1)));
    }
    auto made = make(file);
    if (!made.ok()) return made.status().WithContext(QuoteName(file.path));
    tensors += (*made)->tensors().size();
    SHARDFS_RETURN_IF_ERROR(tree.AddFile(file.path, RankSet::All(1), std::move(made).value()));
  }
  view.summary =
      fmt::format("{} layout: {} tensors, {} file{}", layout, tensors, files_.size(), files_.size() == 1 ? "" : "s");
  view.options = std::move(options);
  if (!name_map_digest_.empty()) view.options.emplace_back(kNameMap.name, "digest " + name_map_digest_);
  if (!filter_.text().empty()) view.options.emplace_back(kFileNameRegex.name, filter_.text());
  if (!file_name_.empty()) view.options.emplace_back(kFileName.name, file_name_);
  view.ignored.insert(view.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
  view.tree = std::move(tree).Build();
  return view;
}

}  // namespace shardfs
