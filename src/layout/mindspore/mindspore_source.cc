// Files are found by names alone, and their headers read in batches, so that what one header takes while it is parsed
// is not held for a thousand files at once. Then every parameter of the strategy is looked at over all files: which
// stages hold it, whether all slices of a stage have one shape, and whether the stages agree in the whole one.
#include "layout/mindspore/mindspore_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <numeric>

#include "base/quote_name.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/read_text.h"
#include "checkpoint/shard_reader.h"
#include "layout/mindspore/mindspore_tensors.h"
#include "layout/mindspore/strategy_file.h"
#include "shardfs/base/json.h"
#include "source/descriptor_limit.h"

namespace shardfs {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};
constexpr std::size_t kBatch = 64;              // headers parsed at once
constexpr std::size_t kMaxTensors = 64u << 20;  // of all files
constexpr char kNameMap[] = "param_name_map.json";
constexpr char kHyperFile[] = "hyper_param.safetensors";

bool IsIterationDirectory(const std::string& name) {
  constexpr std::string_view kIteration = "iteration_";
  return name.size() == kIteration.size() + 8 && name.starts_with(kIteration) &&
         std::all_of(name.begin() + kIteration.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

const StoredTensor* SourceFile::Find(std::uint32_t name) const {
  const auto found = std::lower_bound(by_name.begin(), by_name.end(), name,
                                      [this](std::uint32_t i, std::uint32_t key) { return tensors[i].name < key; });
  return found == by_name.end() || tensors[*found].name != name ? nullptr : &tensors[*found];
}

Result<MindsporeSourcePtr> MindsporeSource::Open(const std::string& path, const Options& options) {
  try {
    const auto source = std::make_shared<MindsporeSource>();
    source->path_ = path;
    source->options_ = options;
    if (!options.strategy.empty()) {
      SHARDFS_ASSIGN_OR_RETURN(source->strategy_, LoadStrategy(options.strategy));
    }
    SHARDFS_ASSIGN_OR_RETURN(source->root_, SourceRoot::Open(path));
    const Status status = source->Load();
    if (!status.ok()) return status.WithContext(fmt::format("source '{}'", source->root_->path()));
    return MindsporeSourcePtr(source);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the headers of '{}'", path));
  }
}

Status MindsporeSource::Load() {
  std::vector<std::string> paths;
  std::vector<std::uint32_t> ranks;
  SHARDFS_RETURN_IF_ERROR(FindFiles(paths, ranks));
  SHARDFS_RETURN_IF_ERROR(ReadFiles(paths, ranks));
  if (kind_ == Kind::kUnified) SHARDFS_RETURN_IF_ERROR(ReadNameMap());
  if (kind_ == Kind::kRanks && strategy_ != nullptr) return GatherParameters();
  parameter_of_.assign(names_.size(), kNone);
  return Status::Ok();
}

Status MindsporeSource::FindFiles(std::vector<std::string>& paths, std::vector<std::uint32_t>& ranks) {
  if (root_->is_file()) {
    if (!IsShardName(root_->file())) {
      return Status::NotSupported("it is no *.safetensors file; give that, or the directory of the checkpoint");
    }
    paths = {root_->file()};
    if (strategy_ == nullptr) return Status::Ok();
    kind_ = Kind::kRanks;  // the file of rank 0, as the strategy says that there are slices
    ranks = {0};
    directories_ = {{0, {{root_->file(), std::nullopt}}}};
    return Status::Ok();
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(root_->descriptor()));
  if (names.empty()) {
    return Status::IoError("the directory is empty; is the file system mounted that the checkpoint is to be on?");
  }
  const bool has_ranks = std::any_of(names.begin(), names.end(),
                                     [](const std::string& name) { return RankOfDirectory(name).has_value(); });
  const bool has_map = std::binary_search(names.begin(), names.end(), std::string(kNameMap));
  if (!has_ranks || (has_map && strategy_ == nullptr)) {
    if (strategy_ != nullptr) {
      warnings_.push_back("--src-strategy is not used: the source has no rank_*/ directories, but whole tensors");
    }
    return FindWholeFiles(names, paths);
  }
  kind_ = Kind::kRanks;
  SHARDFS_ASSIGN_OR_RETURN(directories_, ListRankDirectories(*root_, options_.file_suffix, warnings_));
  for (const RankDirectory& directory : directories_) {
    const RankCandidate* chosen = directory.candidates.empty() ? nullptr : &directory.candidates.back();
    if (step_) {
      chosen = nullptr;
      for (const RankCandidate& candidate : directory.candidates) {
        if (candidate.step == step_) chosen = &candidate;
      }
    }
    if (chosen == nullptr) continue;
    paths.push_back(chosen->path);
    ranks.push_back(directory.rank);
  }
  if (!paths.empty()) return Status::Ok();
  return Status::Corruption(fmt::format("no rank_*/ holds a file *{}.safetensors", options_.file_suffix));
}

Status MindsporeSource::FindWholeFiles(const std::vector<std::string>& names, std::vector<std::string>& paths) {
  for (const std::string& name : names) {
    if (IsShardName(name)) paths.push_back(name);
    if (!IsIterationDirectory(name)) continue;
    return Status::NotSupported(fmt::format(
        "{} is of the format that MindSpore Transformers writes since r1.7 (iteration_*, metadata.json), which is not "
        "read here",
        QuoteName(name)));
  }
  if (paths.empty()) {
    return Status::Corruption("there is neither a rank_*/ with *.safetensors files nor a *.safetensors file");
  }
  if (paths.size() == 1) return Status::Ok();
  kind_ = Kind::kUnified;
  if (std::binary_search(names.begin(), names.end(), std::string(kNameMap))) return Status::Ok();
  return Status::Corruption(fmt::format(
      "there are {} *.safetensors files, and no {} that says which tensor is in which; give one file, or rank_*/ "
      "directories with --src-strategy",
      paths.size(), kNameMap));
}

Status MindsporeSource::ReadFiles(const std::vector<std::string>& paths, const std::vector<std::uint32_t>& ranks) {
  SHARDFS_RETURN_IF_ERROR(ReserveDescriptors(paths.size()));
  std::vector<std::shared_ptr<const FileSource>> sources;
  for (std::size_t begin = 0; begin < paths.size(); begin += kBatch) {
    const std::size_t count = std::min(kBatch, paths.size() - begin);
    SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, ReadShards(*root_, std::span(paths).subspan(begin, count)));
    for (std::size_t i = 0; i < count; ++i) {
      SourceFile file;
      file.rank = ranks.empty() ? 0 : ranks[begin + i];
      file.source = shards[i].file.get();
      file.metadata = std::move(shards[i].header.metadata);
      sources.push_back(std::move(shards[i].file));
      if (stored_tensors_ + shards[i].header.tensors.size() > kMaxTensors) {
        return Status::NotSupported(fmt::format("the files hold more than {} tensors", kMaxTensors));
      }
      TakeFile(std::move(file), std::move(shards[i].header.tensors), shards[i].header.data_offset);
    }
  }
  sources_ = std::make_shared<const SourceSet>(std::vector{root_}, std::move(sources));
  return Status::Ok();
}

void MindsporeSource::TakeFile(SourceFile file, std::vector<HeaderTensor> tensors, std::uint64_t data_offset) {
  file.tensors.reserve(tensors.size());
  for (HeaderTensor& tensor : tensors) {
    StoredTensor stored;
    const auto [name, is_new_name] = name_ids_.try_emplace(tensor.name, static_cast<std::uint32_t>(names_.size()));
    if (is_new_name) names_.push_back(tensor.name);
    const auto [shape, is_new_shape] = shape_ids_.try_emplace(tensor.shape, static_cast<std::uint32_t>(shapes_.size()));
    if (is_new_shape) shapes_.push_back(std::move(tensor.shape));
    stored.name = name->second;
    stored.shape = shape->second;
    stored.offset = data_offset + tensor.begin;
    stored.dtype = tensor.dtype;
    file.tensors.push_back(stored);
    stored_bytes_ += tensor.end - tensor.begin;
  }
  stored_tensors_ += file.tensors.size();
  file.by_name.resize(file.tensors.size());
  std::iota(file.by_name.begin(), file.by_name.end(), std::uint32_t{0});
  std::sort(file.by_name.begin(), file.by_name.end(),
            [&](std::uint32_t a, std::uint32_t b) { return file.tensors[a].name < file.tensors[b].name; });
  files_.push_back(std::move(file));
}

Status MindsporeSource::ReadNameMap() {
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, ReadText(*root_, kNameMap, 256u << 20));
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue document, ParseJson(text, kNameMap, {.max_bytes = 256u << 20}));
  const JsonValue* const nested = document.Find("weight_map");
  const JsonValue& map = nested != nullptr ? *nested : document;
  if (!map.is_object()) return Status::Corruption(fmt::format("{} maps no names to files", kNameMap));
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < files_.size(); ++i) numbers.emplace(files_[i].source->name(), i);
  if (const auto hyper = numbers.find(kHyperFile); hyper != numbers.end()) hyper_file_ = hyper->second;
  for (const auto& [name, file] : map.members()) {
    if (!file.is_string()) {
      return Status::Corruption(fmt::format("{} gives no file name for {}", kNameMap, QuoteName(name)));
    }
    const auto number = numbers.find(file.text());
    if (number == numbers.end()) {
      return Status::Corruption(
          fmt::format("{} names {} for {}, which is missing", kNameMap, QuoteName(file.text()), QuoteName(name)));
    }
    weight_map_.emplace_back(name, number->second);
  }
  return Status::Ok();
}

const SourceFile* MindsporeSource::FileOfRank(std::uint32_t rank) const {
  const auto found = std::lower_bound(files_.begin(), files_.end(), rank,
                                      [](const SourceFile& file, std::uint32_t key) { return file.rank < key; });
  return found == files_.end() || found->rank != rank ? nullptr : &*found;
}

std::optional<std::uint32_t> MindsporeSource::FindName(std::string_view name) const {
  const auto found = name_ids_.find(std::string(name));
  return found == name_ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::uint32_t> MindsporeSource::ParameterOf(std::uint32_t name) const {
  return parameter_of_[name] == kNone ? std::nullopt : std::optional(parameter_of_[name]);
}

const Result<SliceGrid>& MindsporeSource::GridOf(std::uint32_t layout, Placement placement) const {
  return grids_[placement == Placement::kTraining ? 1 : 0][layout];
}

Result<TensorPtr> MindsporeSource::Build(const SourceFile& file, const StoredTensor& tensor) const {
  return Tensor::Source(file.source, tensor.offset, tensor.dtype, ShapeOf(tensor.shape));
}

StateDictPtr MindsporeSource::TensorsOf(std::size_t index) const { return MakeFileTensors(shared_from_this(), index); }

}  // namespace shardfs
