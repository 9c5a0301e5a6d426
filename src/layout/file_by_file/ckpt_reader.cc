// Which files count, as MindSpore's conversions have it: those in direct subfolders whose names begin with "rank", if
// any holds weights; else the .ckpt files of the directory itself. They are opened one by one; together they are one
// checkpoint as far as no name stands in two of them.
#include "layout/file_by_file/ckpt_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/joined_state_dict.h"
#include "checkpoint/weights_file.h"
#include "layout/file_by_file/name_filter.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, kCkptOptions.size() + 1> kOptions = {kCkptOptions[0], kCkptOptions[1], kCkptOptions[2],
                                                                      kCkptOptions[3], kFileNameRegex};

bool IsRankName(std::string_view name) { return name.starts_with("rank"); }

// The weights files of the source, by path below its root, and what else lies beside them.
struct FoundFiles {
  std::vector<std::string> paths;  // ascending
  std::vector<CompanionFile> others;
};

Status CheckOneFormat(std::span<const std::string> paths) {
  const auto ckpt = std::find_if(paths.begin(), paths.end(),
                                 [](const std::string& path) { return IsCkptName(path.substr(path.rfind('/') + 1)); });
  const auto other =
      std::find_if(paths.begin(), paths.end(), [](const std::string& path) { return path.ends_with(".safetensors"); });
  if (ckpt == paths.end() || other == paths.end()) return Status::Ok();
  return Status::NotSupported(fmt::format(
      "it holds .ckpt files and safetensors files ({} and {}); say with file_name_regex which count, such as "
      "'ckpt$'",
      QuoteName(*ckpt), QuoteName(*other)));
}

class Finder {
 public:
  Finder(const SourceRoot& root, const NameFilter& filter) : root_(root), filter_(filter) {}

  Result<FoundFiles> Find() {
    if (root_.is_file()) {
      found_.paths = {root_.file()};
      return std::move(found_);
    }
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(root_.descriptor()));
    for (const std::string& name : names) {
      if (IsRankName(name)) SHARDFS_RETURN_IF_ERROR(AddFolder(name));
    }
    const bool has_ranks = !found_.paths.empty();
    for (const std::string& name : names) AddEntry(name, has_ranks);
    if (!found_.paths.empty()) {
      SHARDFS_RETURN_IF_ERROR(CheckOneFormat(found_.paths));
      return std::move(found_);
    }
    if (names.empty()) {
      return Status::IoError("the directory is empty; is the file system mounted that the checkpoint is to be on?");
    }
    return Status::Corruption(
        fmt::format("there is no *.ckpt file in the directory, nor weights in a folder rank*{}",
                    left_out_ == 0 ? "" : fmt::format(" (file_name_regex leaves {} out)", left_out_)));
  }

 private:
  bool IsDirectory(const std::string& name) const {
    struct stat attributes = {};
    return ::fstatat(root_.descriptor(), name.c_str(), &attributes, 0) == 0 && S_ISDIR(attributes.st_mode);
  }

  void AddFile(std::string path, const std::string& name) {
    if (filter_.Takes(name)) {
      found_.paths.push_back(std::move(path));
    } else {
      ++left_out_;
    }
  }

  Status AddFolder(const std::string& folder) {
    if (!IsDirectory(folder)) return Status::Ok();
    const FileDescriptor directory(::openat(root_.descriptor(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return Status::FromErrno(errno, "cannot open the folder " + QuoteName(folder));
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory.get()));
    for (const std::string& name : names) {
      if (IsCkptName(name) || IsShardName(name)) AddFile(folder + "/" + name, name);
    }
    return Status::Ok();
  }

  // A file of the directory itself: weights where no rank folder holds any, else a companion.
  void AddEntry(const std::string& name, bool has_ranks) {
    struct stat attributes = {};
    if (::fstatat(root_.descriptor(), name.c_str(), &attributes, 0) != 0 || !S_ISREG(attributes.st_mode)) return;
    if (IsCkptName(name)) {
      if (!has_ranks) AddFile(name, name);
    } else if (!IsShardName(name)) {
      found_.others.push_back({name, true, static_cast<std::uint64_t>(attributes.st_size), nullptr});
    }
  }

  const SourceRoot& root_;
  const NameFilter& filter_;
  FoundFiles found_;
  std::size_t left_out_ = 0;
};

// The sums of all files, and what a byte of a tensor is that its dtype does not tell.
void Account(std::span<const WeightsFile> files, Checkpoint::Content& content) {
  for (const WeightsFile& file : files) {
    for (const TensorSpec& spec : file.tensors->specs()) content.stored_bytes += BytesOf(spec);
    content.stored_tensors += file.tensors->specs().size();
    content.ignored.insert(content.ignored.end(), file.ignored.begin(), file.ignored.end());
    content.metadata.insert(content.metadata.end(), file.metadata.begin(), file.metadata.end());
  }
  std::sort(content.metadata.begin(), content.metadata.end());
  content.metadata.erase(std::unique(content.metadata.begin(), content.metadata.end()), content.metadata.end());
}

}  // namespace

std::span<const OptionSpec> CkptReader::options() const { return kOptions; }

Recognition CkptReader::Recognise(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    if (IsCkptName(name) || IsRankName(name)) return {Recognition::Degree::kPossible, name};
  }
  return {};
}

Result<CheckpointPtr> CkptReader::Open(const std::string& directory, const OptionValues& values) const {
  SHARDFS_ASSIGN_OR_RETURN(const CkptOptions options, CkptOptions::Parse(values));
  SHARDFS_ASSIGN_OR_RETURN(const NameFilter filter, NameFilter::Parse(values));
  SHARDFS_ASSIGN_OR_RETURN(const auto root, SourceRoot::Open(directory));
  const std::string context = fmt::format("source '{}'", root->path());
  auto found = Finder(*root, filter).Find();
  if (!found.ok()) return found.status().WithContext(context);
  auto opened = OpenWeightsFiles(*root, found->paths, options);
  if (!opened.ok()) return opened.status().WithContext(context);
  Checkpoint::Content content;
  content.parts = PartsOf(*opened);
  auto joined = std::make_shared<const JoinedStateDict>(content.parts);
  if (joined->has_slices()) content.storage = Checkpoint::Storage::kSlices;
  content.tensors = opened->size() == 1 ? opened->front().tensors : StateDictPtr(std::move(joined));
  content.files = std::move(found->others);
  std::vector<std::shared_ptr<const FileSource>> files;
  for (const WeightsFile& file : *opened) files.push_back(file.file);
  content.sources = std::make_shared<const SourceSet>(std::vector{root}, std::move(files));
  Account(*opened, content);
  content.reader = name();
  content.warnings = WarningsOf(*opened, options);
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace shardfs
