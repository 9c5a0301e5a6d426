// MaterializePlan: which files and directories of a view are to be written where, and the assurance that they can be.
//
// Creating a plan is the preflight: everything that can be known to fail is refused here, before anything has been
// written. Nothing on the destination's filesystem is touched.
//
// Invariants: immutable; directories() lists a directory before what is in it; paths are relative to the destination
// and use no "." or "..". Thread-safety: const members from any thread. Ownership: keeps the view alive.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/parallel/rank_set.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct PlannedFile {
  std::string path;                   // "model-norm/model.safetensors"
  const VirtualFile* file = nullptr;  // owned by the view
};

class MaterializePlan {
 public:
  // Plans the files and directories that any of `ranks` loads, or all of the view without `ranks`. The root is always
  // part of it. `source` is the directory that the view was made from.
  //
  // kInvalidArgument when `destination` is inside `source` or contains it, exists and is not an empty directory that
  // the caller may fill, or has a parent that does not exist or may not be written to. kResourceExhausted, naming both
  // numbers, when its filesystem has less room (bytes or inodes) than is needed, or, where that filesystem lives in
  // memory, when the machine or a control group of this process has less memory.
  static Result<MaterializePlan> Create(std::shared_ptr<const VirtualTree> tree, const std::optional<RankSet>& ranks,
                                        const std::string& source, const std::string& destination);

  const std::string& destination() const { return destination_; }            // absolute, links resolved
  bool destination_exists() const { return destination_exists_; }            // as an empty directory
  std::span<const PlannedFile> files() const { return files_; }              // in the view's order
  std::span<const std::string> directories() const { return directories_; }  // without the root
  std::uint64_t total_bytes() const { return total_bytes_; }                 // of the files

 private:
  MaterializePlan() = default;

  std::shared_ptr<const VirtualTree> tree_;
  std::string destination_;
  bool destination_exists_ = false;
  std::vector<PlannedFile> files_;
  std::vector<std::string> directories_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace shardfs
