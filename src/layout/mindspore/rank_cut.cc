#include "layout/mindspore/rank_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "shardfs/format/ckpt/ckpt.h"
#include "view/entries_file.h"

namespace shardfs {
namespace {

constexpr std::array kDtypes = {Dtype::kU64, Dtype::kI64,  Dtype::kF64, Dtype::kF32, Dtype::kU32,
                                Dtype::kI32, Dtype::kBF16, Dtype::kF16, Dtype::kU16, Dtype::kI16,
                                Dtype::kI8,  Dtype::kU8,   Dtype::kBool};

Status CheckDtype(const RankTensor& tensor) {
  if (std::find(kDtypes.begin(), kDtypes.end(), tensor.dtype) != kDtypes.end()) return Status::Ok();
  return Status::NotSupported(
      fmt::format("tensor {} is {}, which MindSpore does not read; --dequantize bf16 makes BF16 of FP8 weights",
                  QuoteName(tensor.name), DtypeName(tensor.dtype)));
}

using FormPtr = std::shared_ptr<const RankFileForm>;

// The metadata of a safetensors file, with the marks of its tensors in byte order among the other keys.
FileMetadata Marked(FileMetadata metadata, std::span<const RankTensor> tensors, const RankFileForm& form) {
  if (form.int4.empty()) return metadata;
  std::map<std::string, std::string> merged(metadata.begin(), metadata.end());
  for (const RankTensor& tensor : tensors) {
    if (form.int4.contains(tensor.name)) merged.insert_or_assign(std::string(tensor.name), "Int4");
  }
  return {merged.begin(), merged.end()};
}

// What is written of a rank: to a .ckpt in its own order, and nothing of tensors without elements.
Result<RankContent> WrittenContent(const RankCut& cut, std::uint32_t rank, const RankFileForm& form) {
  SHARDFS_ASSIGN_OR_RETURN(RankContent content, cut.ContentOf(rank));
  if (form.is_ckpt) {
    cut.OrderAsWritten(content);
  } else if (!content.tensors.empty()) {
    content.metadata = Marked(std::move(content.metadata), content.tensors, form);
  }
  return content;
}

bool HasElements(const RankTensor& tensor) {
  return std::find(tensor.shape.begin(), tensor.shape.end(), 0u) == tensor.shape.end();
}

Result<std::unique_ptr<const VirtualFile>> MakeFile(const RankCutPtr& cut, std::uint32_t rank, const FormPtr& form) {
  SHARDFS_ASSIGN_OR_RETURN(const RankContent content, WrittenContent(*cut, rank, *form));
  std::vector<PlannedTensor> planned;
  std::vector<PlannedEntry> entries;
  for (const RankTensor& tensor : content.tensors) {
    if (form->is_ckpt && !HasElements(tensor)) continue;
    SHARDFS_ASSIGN_OR_RETURN(const TensorPtr expression, cut->Build(rank, content, tensor));
    SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(std::string(tensor.name), expression));
    if (form->is_ckpt) {
      entries.push_back({std::move(one), form->int4.contains(tensor.name)});
    } else {
      planned.push_back(std::move(one));
    }
  }
  if (form->is_ckpt) return MakeEntriesFile(std::move(entries), kCkptChunkBytes, cut);
  return MakePlannedFile(std::move(planned), cut, content.metadata);
}

// The .ckpt of a rank, or null where nothing would be in it.
Result<std::unique_ptr<const VirtualFile>> MakeLazyCkpt(const RankContent& content, const RankFileForm& form,
                                                        FileMaker make, std::set<std::string>& empty) {
  std::vector<NewCkptTensor> entries;
  for (const RankTensor& tensor : content.tensors) {
    SHARDFS_RETURN_IF_ERROR(CheckDtype(tensor));
    if (HasElements(tensor)) {
      entries.push_back({tensor.name, tensor.dtype, tensor.shape, form.int4.contains(tensor.name)});
    } else {
      empty.emplace(tensor.name);
    }
  }
  if (entries.empty()) return std::unique_ptr<const VirtualFile>();
  SHARDFS_ASSIGN_OR_RETURN(const CkptPieces pieces, LayOutCkpt(entries));
  return MakeLazyFile(FileKind::kEntries, pieces.file_size, entries.size(), content.sources, std::move(make));
}

// The file of a rank, or null where it has none.
Result<std::unique_ptr<const VirtualFile>> MakeLazy(const RankCutPtr& cut, std::uint32_t rank, const FormPtr& form,
                                                    std::set<std::string>& empty) {
  SHARDFS_ASSIGN_OR_RETURN(RankContent content, WrittenContent(*cut, rank, *form));
  if (!content.has_file) return std::unique_ptr<const VirtualFile>();
  const FileMaker make = [cut, rank, form] { return MakeFile(cut, rank, form); };
  if (form->is_ckpt) return MakeLazyCkpt(content, *form, make, empty);
  std::vector<NewTensor> entries;
  entries.reserve(content.tensors.size());
  for (RankTensor& tensor : content.tensors) {
    SHARDFS_RETURN_IF_ERROR(CheckDtype(tensor));
    entries.push_back({std::string(tensor.name), tensor.dtype, std::move(tensor.shape)});
  }
  return MakeLazyTensorFile(entries, content.metadata, content.sources, make);
}

}  // namespace

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

Status AddRankFiles(const RankCutPtr& cut, std::span<const std::uint32_t> ranks, const RankFileForm& form,
                    const std::function<std::string(std::uint32_t)>& name_of, VirtualTreeBuilder& tree,
                    std::set<std::string>* empty) {
  const auto shared_form = std::make_shared<const RankFileForm>(form);
  std::vector<std::unique_ptr<const VirtualFile>> files(ranks.size());
  std::vector<std::set<std::string>> empty_of(ranks.size());
  std::vector<Status> outcomes(ranks.size());
  ParallelFor(ranks.size(), [&](std::size_t i) {
    auto file = MakeLazy(cut, ranks[i], shared_form, empty_of[i]);
    if (file.ok()) files[i] = std::move(file).value();
    outcomes[i] = file.status();
  });
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    SHARDFS_RETURN_IF_ERROR(outcomes[i]);
    empty->merge(empty_of[i]);
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
