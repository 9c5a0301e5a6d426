// UnifiedSlices: from which rank each slice comes when MindSpore's unified_safetensors puts parameters together, and
// what it refuses or loses on the way. (spec/mindspore.md, sections 2.7, 3.6, 5.1, 5.7 and 9)
//
// Immutable; const members from any number of threads.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "layout/mindspore/mindspore_source.h"
#include "shardfs/base/result.h"
#include "shardfs/tensor/tensor.h"
#include "view/lazy_tensor_file.h"

namespace shardfs {

struct UnifiedSliceOptions {
  Placement placement = Placement::kTools;
  bool complete = false;  // take each slice from any rank that has it, and the newest step that all ranks have
};

class UnifiedSlices {
 public:
  // `source` has ranks and a strategy. kCorruption where a rank that MindSpore reads has no file, where the newest
  // files are of different steps, and for what MindSpore would read wrong.
  static Result<UnifiedSlices> Create(MindsporeSourcePtr source, const UnifiedSliceOptions& options);

  // The source that was given, or with `complete` that of the newest common step, of which told() has a sentence.
  const MindsporeSourcePtr& source() const { return source_; }
  const std::string& told() const { return told_; }

  // Metadata of the parts: those of the files that are read, the later over the earlier; with `complete` none of these.
  FileMetadata PartMetadata() const;

  // The files that slices come from.
  FileSources Sources() const;

  // Whether all slices of a parameter that files hold are there, and MindSpore would read the right ones.
  Status Check(const SourceParameter& parameter) const;

  // All of the parameter, put together.
  Result<TensorPtr> Build(const SourceParameter& parameter) const;

 private:
  UnifiedSlices() = default;

  struct Held {
    const SourceFile* file = nullptr;
    const StoredTensor* tensor = nullptr;
  };

  Status FindNeeded();
  void FindMode();
  Status CheckFiles() const;
  std::string WhoNeeds(std::uint32_t local) const;
  Held HeldBy(std::uint32_t rank, std::uint32_t name) const;
  // Finds the holders of each cell of the placement's grid.
  Result<std::vector<Held>> FindHolders(const SourceParameter& parameter) const;
  std::vector<Held> HoldersOfCopy(const SourceParameter& parameter, const StageCopy& copy) const;
  Status Missing(const SourceParameter& parameter, std::uint32_t local) const;

  MindsporeSourcePtr source_;
  UnifiedSliceOptions options_;
  std::string told_;
  bool redundancy_removed_ = false;
  std::vector<std::uint32_t> needed_;    // ranks, ascending
  std::vector<bool> classes_are_found_;  // by layout of the strategy; of a source without redundancy
};

}  // namespace shardfs
