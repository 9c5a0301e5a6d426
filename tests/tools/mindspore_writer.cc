// The slice of a rank is a box: one range on each axis. Behind the last axis that is cut, a row of the box is one run
// of bytes of the whole tensor. A dense slice is put together from its runs in memory; of a sparse one, the parts of
// the stamps that lie in the box are written, and the rest of the file is a hole.
#include "tools/mindspore_writer.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

namespace shardfs::tools {
namespace {

namespace fs = std::filesystem;

// The runs of a box: run i begins at byte BeginOf(i) of the whole tensor.
class BoxRuns {
 public:
  BoxRuns(const NewTensor& tensor, const MindSporeBox& box) : shape_(tensor.shape), box_(box) {
    run_ = DtypeBytes(tensor.dtype);
    axes_ = box.size();
    for (; axes_ > 0; --axes_) {
      const auto [begin, end] = box[axes_ - 1];
      run_ *= end - begin;
      if (end - begin != shape_[axes_ - 1]) {
        --axes_;
        skip_ = begin;
        break;
      }
    }
    row_ = DtypeBytes(tensor.dtype);
    for (std::size_t a = axes_; a < shape_.size(); ++a) row_ *= shape_[a];
    skip_ = axes_ < shape_.size() ? skip_ * (row_ / shape_[axes_]) : 0;
    for (std::size_t a = 0; a < axes_; ++a) count_ *= box[a].second - box[a].first;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t run() const { return run_; }  // bytes
  std::uint64_t row() const { return row_; }  // bytes of the whole tensor for each index of the axes in front

  std::uint64_t BeginOf(std::uint64_t i) const {
    std::uint64_t row = 0;
    std::uint64_t stride = 1;
    for (std::size_t a = axes_; a-- > 0;) {
      const std::uint64_t size = box_[a].second - box_[a].first;
      row += (i % size + box_[a].first) * stride;
      i /= size;
      stride *= shape_[a];
    }
    return row * row_ + skip_;
  }

  // The run that lies in that row of the whole tensor.
  std::optional<std::uint64_t> RunOfRow(std::uint64_t row) const {
    std::uint64_t run = 0;
    std::uint64_t stride = 1;
    for (std::size_t a = axes_; a-- > 0; row /= shape_[a]) {
      const std::uint64_t index = row % shape_[a];
      if (index < box_[a].first || index >= box_[a].second) return std::nullopt;
      run += (index - box_[a].first) * stride;
      stride *= box_[a].second - box_[a].first;
    }
    return run;
  }

 private:
  const Shape& shape_;
  const MindSporeBox& box_;
  std::size_t axes_ = 0;  // in front of a run
  std::uint64_t run_ = 0;
  std::uint64_t row_ = 0;
  std::uint64_t skip_ = 0;  // bytes from the beginning of a row to the run in it
  std::uint64_t count_ = 1;
};

struct RankSlice {
  const MindSporeParameter* parameter = nullptr;  // null: a hyper parameter, which is whole
  NewTensor tensor;                               // as the file has it
  MindSporeBox box;
};

std::uint64_t BytesOf(const NewTensor& tensor) {
  std::uint64_t bytes = DtypeBytes(tensor.dtype);
  for (const std::uint64_t size : tensor.shape) bytes *= size;
  return bytes;
}

class RankWriter {
 public:
  RankWriter(const std::string& path, const ContentOptions& content, bool stamps)
      : path_(path), content_(content), stamps_(stamps) {}

  // Returns the size of the file, and the bytes that it occupies.
  Result<std::pair<std::uint64_t, std::uint64_t>> Write(const std::vector<RankSlice>& slices,
                                                        const FileMetadata& metadata) {
    std::vector<NewTensor> tensors;
    for (const RankSlice& slice : slices) tensors.push_back(slice.tensor);
    SHARDFS_ASSIGN_OR_RETURN(const SerializedHeader header, SerializeHeader(tensors, metadata));
    SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor fd, CreateFile(path_));
    fd_ = fd.get();
    SHARDFS_RETURN_IF_ERROR(WriteAll(fd_, path_, 0, std::as_bytes(std::span(header.bytes))));
    if (::ftruncate(fd_, static_cast<off_t>(header.file_size)) != 0) {
      return Status::FromErrno(errno, fmt::format("cannot extend {} to {} bytes", path_, header.file_size));
    }
    for (std::size_t i = 0; i < header.order.size(); ++i) {
      SHARDFS_RETURN_IF_ERROR(WriteSlice(slices[header.order[i]], header.offsets[i]));
    }
    struct stat info = {};
    if (::fstat(fd_, &info) != 0) return Status::FromErrno(errno, "cannot examine " + path_);
    return std::pair(header.file_size, static_cast<std::uint64_t>(info.st_blocks) * 512);
  }

 private:
  Status WriteSlice(const RankSlice& slice, std::uint64_t file_offset) {
    const NewTensor& whole = slice.parameter != nullptr ? slice.parameter->tensor : slice.tensor;
    const ContentKey key{whole.name, whole.dtype, BytesOf(whole), content_.seed, content_.offsets};
    const BoxRuns runs(whole, slice.box);
    if (content_.fill == Fill::kDense) return WriteDense(key, runs, file_offset);
    if (!stamps_) return Status::Ok();
    for (const StampRange& stamp : StampsOf(key)) {
      SHARDFS_RETURN_IF_ERROR(WriteStamp(key, runs, stamp, file_offset));
    }
    return Status::Ok();
  }

  Status WriteDense(const ContentKey& key, const BoxRuns& runs, std::uint64_t file_offset) {
    buffer_.resize(runs.count() * runs.run());
    for (std::uint64_t i = 0; i < runs.count(); ++i) {
      ExpectedBytes(key, Fill::kDense, runs.BeginOf(i), std::span(buffer_).subspan(i * runs.run(), runs.run()));
    }
    return WriteAll(fd_, path_, file_offset, buffer_);
  }

  // Writes the parts of a stamp that lie in the box.
  Status WriteStamp(const ContentKey& key, const BoxRuns& runs, const StampRange& stamp, std::uint64_t file_offset) {
    const std::uint64_t stamp_end = stamp.offset + stamp.size;
    for (std::uint64_t row = stamp.offset / runs.row(); row * runs.row() < stamp_end; ++row) {
      const auto run = runs.RunOfRow(row);
      if (!run) continue;
      const std::uint64_t run_begin = runs.BeginOf(*run);
      const std::uint64_t begin = std::max(run_begin, stamp.offset);
      const std::uint64_t end = std::min(run_begin + runs.run(), stamp_end);
      if (begin >= end) continue;
      buffer_.resize(end - begin);
      ExpectedBytes(key, Fill::kSparse, begin, buffer_);
      SHARDFS_RETURN_IF_ERROR(WriteAll(fd_, path_, file_offset + *run * runs.run() + begin - run_begin, buffer_));
    }
    return Status::Ok();
  }

  const std::string path_;
  const ContentOptions& content_;
  const bool stamps_;
  int fd_ = -1;
  std::vector<std::byte> buffer_;
};

// Which rank of a stage keeps which parameters once redundancy is removed: of the ranks that hold one slice, a class,
// each keeps every n-th of the parameters that are spread over that class. (spec/mindspore.md, section 3.6)
using Kept = std::set<std::pair<std::uint64_t, std::string_view>>;  // (local rank, parameter)

Result<Kept> KeptOf(const std::vector<const MindSporeParameter*>& parameters, std::uint64_t ranks) {
  std::map<std::vector<std::uint64_t>, std::vector<std::string_view>> classes;
  for (const MindSporeParameter* const parameter : parameters) {
    std::map<MindSporeBox, std::vector<std::uint64_t>> holders;
    for (std::uint64_t local = 0; local < ranks; ++local) {
      SHARDFS_ASSIGN_OR_RETURN(MindSporeBox box, BoxOf(parameter->cut, parameter->tensor.shape, local));
      holders[std::move(box)].push_back(local);
    }
    for (const auto& [box, holding] : holders) classes[holding].push_back(parameter->tensor.name);
  }
  Kept kept;
  for (auto& [holding, names] : classes) {
    std::sort(names.begin(), names.end());
    for (std::size_t i = 0; i < names.size(); ++i) kept.emplace(holding[i % holding.size()], names[i]);
  }
  return kept;
}

std::vector<NewTensor> HyperParameters() {
  return {{"epoch_num", Dtype::kI32, {}},
          {"step_num", Dtype::kI32, {}},
          {"global_step", Dtype::kI32, {1}},
          {"loss_scale", Dtype::kF32, {}},
          {"learning_rate", Dtype::kF32, {}}};
}

class CheckpointWriter {
 public:
  CheckpointWriter(const fs::path& directory, const std::vector<MindSporeParameter>& parameters,
                   const MindSporeOptions& options)
      : directory_(directory), options_(options), stage_ranks_(options.sizes.dp * options.sizes.tp) {
    of_stage_.resize(options.sizes.pp);
    for (const MindSporeParameter& parameter : parameters) {
      for (const std::uint32_t stage : parameter.stages) of_stage_[stage].push_back(&parameter);
    }
  }

  Result<CheckpointSummary> Write() {
    if (options_.redundancy_removed) {
      for (const auto& parameters : of_stage_) {
        SHARDFS_ASSIGN_OR_RETURN(Kept kept, KeptOf(parameters, stage_ranks_));
        kept_.push_back(std::move(kept));
      }
    }
    std::atomic<std::uint64_t> next{0};
    std::mutex mutex;  // guards the two below
    CheckpointSummary summary;
    Status failure;
    const auto work = [&] {
      for (std::uint64_t rank = next++; rank < options_.sizes.ranks(); rank = next++) {
        auto one = WriteRank(rank);
        const std::lock_guard lock(mutex);
        if (!one.ok()) {
          failure = one.status();
          next = options_.sizes.ranks();
          return;
        }
        summary.files += 1;
        summary.tensors += one->tensors;
        summary.apparent_bytes += one->apparent_bytes;
        summary.disk_bytes += one->disk_bytes;
      }
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
    threads.clear();  // joins them
    if (!failure.ok()) return failure;
    return summary;
  }

 private:
  Result<CheckpointSummary> WriteRank(std::uint64_t rank) const {
    const std::uint64_t stage = rank / stage_ranks_;
    const std::uint64_t local = rank % stage_ranks_;
    std::vector<RankSlice> slices;
    for (const MindSporeParameter* const parameter : of_stage_[stage]) {
      const NewTensor& tensor = parameter->tensor;
      if (options_.redundancy_removed && !kept_[stage].contains({local, tensor.name})) continue;
      SHARDFS_ASSIGN_OR_RETURN(MindSporeBox box, BoxOf(parameter->cut, tensor.shape, local));
      NewTensor cut{tensor.name, tensor.dtype, {}};
      for (const auto& [begin, end] : box) cut.shape.push_back(end - begin);
      slices.push_back({parameter, std::move(cut), std::move(box)});
    }
    if (options_.hyper_parameters) {
      for (NewTensor& tensor : HyperParameters()) {
        MindSporeBox box;
        for (const std::uint64_t size : tensor.shape) box.emplace_back(0, size);
        slices.push_back({nullptr, std::move(tensor), std::move(box)});
      }
    }
    const fs::path folder = directory_ / fmt::format("rank_{}", rank);
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return Status::FromErrno(error.value(), "cannot make the directory " + folder.string());
    const std::string path =
        folder / fmt::format("{}_rank_{}-{}_{}.safetensors", options_.prefix, rank, options_.epoch, options_.step);
    SHARDFS_ASSIGN_OR_RETURN(const auto sizes, RankWriter(path, options_, options_.stamps).Write(slices, Metadata()));
    return CheckpointSummary{slices.size(), 1, sizes.first, sizes.second};
  }

  FileMetadata Metadata() const {
    return {{"format", "ms"}, {"remove_redundancy", options_.redundancy_removed ? "True" : "False"}};
  }

  const fs::path directory_;
  const MindSporeOptions& options_;
  const std::uint64_t stage_ranks_;
  std::vector<std::vector<const MindSporeParameter*>> of_stage_;
  std::vector<Kept> kept_;  // of each stage
};

// The items of a stage, or of all, "<stage>-<name>".
MindSporeStrategy StrategyOf(const std::vector<MindSporeParameter>& parameters, const MindSporeOptions& options,
                             std::optional<std::uint32_t> stage) {
  MindSporeStrategy strategy;
  strategy.current_stage = stage.value_or(1);
  for (std::uint32_t q = 0; q < options.sizes.pp; ++q) {
    if (stage && *stage != q) continue;
    strategy.stages.push_back(q);
    for (const MindSporeParameter& parameter : parameters) {
      if (std::find(parameter.stages.begin(), parameter.stages.end(), q) == parameter.stages.end()) continue;
      std::string name = stage ? parameter.tensor.name : fmt::format("{}-{}", q, parameter.tensor.name);
      strategy.items.push_back({std::move(name), parameter.cut, parameter.tensor.shape, options.nested_maps});
    }
  }
  return strategy;
}

}  // namespace

Result<std::vector<MindSporeParameter>> ParametersOf(const MindSporeOptions& options) {
  SHARDFS_ASSIGN_OR_RETURN(const auto weights, MindSporeParameters(options.shape, options.sizes));
  std::vector<MindSporeParameter> all = weights;
  std::vector<std::string> prefixes;
  if (options.moments > 0) prefixes.emplace_back("adam_m.");
  if (options.moments > 1) prefixes.emplace_back("adam_v.");
  if (options.accumulated_grads) prefixes.emplace_back("accu_grads.");
  for (const std::string& prefix : prefixes) {
    for (MindSporeParameter parameter : weights) {
      parameter.tensor.name = prefix + parameter.tensor.name;
      parameter.tensor.dtype = Dtype::kF32;
      all.push_back(std::move(parameter));
    }
  }
  return all;
}

Status WriteMindSporeStrategies(const std::string& directory, const std::vector<MindSporeParameter>& parameters,
                                const MindSporeOptions& options) {
  const auto write = [&](const std::string& name, std::optional<std::uint32_t> stage) {
    const MindSporeStrategy strategy = StrategyOf(parameters, options, stage);
    return WriteTextFile(directory + "/" + name + (options.json ? ".json" : ".ckpt"),
                         options.json ? StrategyJson(strategy) : StrategyProtobuf(strategy));
  };
  if (options.strategies == MindSporeOptions::StrategyFiles::kMerged) {
    return write("merged_ckpt_strategy", std::nullopt);
  }
  const std::uint64_t stage_ranks = options.sizes.dp * options.sizes.tp;
  const bool each = options.strategies == MindSporeOptions::StrategyFiles::kEachRank;
  for (std::uint64_t rank = 0; rank < options.sizes.ranks(); rank += each ? 1 : stage_ranks) {
    SHARDFS_RETURN_IF_ERROR(
        write(fmt::format("ckpt_strategy_rank_{}", rank), static_cast<std::uint32_t>(rank / stage_ranks)));
  }
  return Status::Ok();
}

Result<CheckpointSummary> WriteMindSpore(const std::string& directory, const MindSporeOptions& options) {
  SHARDFS_ASSIGN_OR_RETURN(const auto parameters, ParametersOf(options));
  const fs::path root(directory);
  std::error_code error;
  if (fs::exists(root, error) && !fs::is_empty(root, error)) {
    return Status::InvalidArgument("the directory " + directory + " is not empty: give an empty or new one");
  }
  for (const char* const folder : {"checkpoint", "strategy"}) {
    fs::create_directories(root / folder, error);
    if (error) return Status::FromErrno(error.value(), "cannot make the directory " + (root / folder).string());
  }
  SHARDFS_RETURN_IF_ERROR(WriteMindSporeStrategies(root / "strategy", parameters, options));
  return CheckpointWriter(root / "checkpoint", parameters, options).Write();
}

}  // namespace shardfs::tools
