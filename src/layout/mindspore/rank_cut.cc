#include "layout/mindspore/rank_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "base/parallel.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::array kDtypes = {Dtype::kU64, Dtype::kI64,  Dtype::kF64, Dtype::kF32, Dtype::kU32,
                                Dtype::kI32, Dtype::kBF16, Dtype::kF16, Dtype::kU16, Dtype::kI16,
                                Dtype::kI8,  Dtype::kU8,   Dtype::kBool};

Result<std::unique_ptr<const VirtualFile>> MakeFile(const RankCutPtr& cut, std::uint32_t rank) {
  SHARDFS_ASSIGN_OR_RETURN(const RankContent content, cut->ContentOf(rank));
  std::vector<PlannedTensor> planned;
  planned.reserve(content.tensors.size());
  for (const RankTensor& tensor : content.tensors) {
    SHARDFS_ASSIGN_OR_RETURN(const TensorPtr expression, cut->Build(rank, content, tensor));
    SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(std::string(tensor.name), expression));
    planned.push_back(std::move(one));
  }
  return MakePlannedFile(std::move(planned), cut, content.metadata);
}

// The file of a rank, or null where it has none.
Result<std::unique_ptr<const VirtualFile>> MakeLazy(const RankCutPtr& cut, std::uint32_t rank) {
  SHARDFS_ASSIGN_OR_RETURN(RankContent content, cut->ContentOf(rank));
  if (!content.has_file) return std::unique_ptr<const VirtualFile>();
  std::vector<NewTensor> entries;
  entries.reserve(content.tensors.size());
  for (RankTensor& tensor : content.tensors) {
    SHARDFS_RETURN_IF_ERROR(CheckMindsporeDtype(tensor.name, tensor.dtype));
    entries.push_back({std::string(tensor.name), tensor.dtype, std::move(tensor.shape)});
  }
  return MakeLazyTensorFile(entries, content.metadata, content.sources, [cut, rank] { return MakeFile(cut, rank); });
}

}  // namespace

Status CheckMindsporeDtype(std::string_view name, Dtype dtype) {
  if (std::find(kDtypes.begin(), kDtypes.end(), dtype) != kDtypes.end()) return Status::Ok();
  return Status::NotSupported(
      fmt::format("tensor {} is {}, which MindSpore does not read; --dequantize bf16 makes BF16 of FP8 weights",
                  QuoteName(name), DtypeName(dtype)));
}

FileSources SourcesOf(const Checkpoint& checkpoint) {
  auto sources = std::make_shared<std::vector<const ByteSource*>>();
  for (const auto& file : checkpoint.sources().files()) sources->push_back(file.get());
  return sources;
}

FileMetadata MindsporeMetadata() { return {{"format", "ms"}}; }

FileMetadata InheritMetadata(std::span<const FileMetadata* const> files) {
  std::map<std::string, std::string> merged = {{"format", "ms"}};
  for (const FileMetadata* const metadata : files) {
    for (const auto& [key, text] : *metadata) merged.insert_or_assign(key, text);
  }
  return {merged.begin(), merged.end()};
}

Status AddRankFiles(const RankCutPtr& cut, std::span<const std::uint32_t> ranks,
                    const std::function<std::string(std::uint32_t)>& name_of, VirtualTreeBuilder& tree) {
  std::vector<std::unique_ptr<const VirtualFile>> files(ranks.size());
  std::vector<Status> outcomes(ranks.size());
  ParallelFor(ranks.size(), [&](std::size_t i) {
    auto file = MakeLazy(cut, ranks[i]);
    if (file.ok()) files[i] = std::move(file).value();
    outcomes[i] = file.status();
  });
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    SHARDFS_RETURN_IF_ERROR(outcomes[i]);
    if (files[i] == nullptr) continue;
    const std::string directory = fmt::format("rank_{}", ranks[i]);
    RankSet holder;
    holder.Insert(ranks[i]);
    SHARDFS_RETURN_IF_ERROR(tree.AddDirectory(directory, holder));
    SHARDFS_RETURN_IF_ERROR(
        tree.AddFile(fmt::format("{}/{}", directory, name_of(ranks[i])), std::move(holder), std::move(files[i])));
  }
  return Status::Ok();
}

}  // namespace shardfs
