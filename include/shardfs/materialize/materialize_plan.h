// MaterializePlan: which files and directories of a view are to be written where, and the assurance that they can be.
//
// Creating a plan is the preflight: everything that can be known to fail is refused here, before anything has been
// written. Nothing on the destination's filesystem is touched, but a destination that is there is locked before it is
// looked at, until the plan is gone: what the plan says of it stays true, because no other run writes to it. One that
// is not there yet is made and locked when the plan is run.
//
// A destination in which a run of the same identity did not come to its end is gone on with: files that it completed
// are kept. One that is complete is left as it is; where files of it are gone or have another size since, they are
// written again, and what is left is kept by its digests. With the option to replace, every file that is there is kept
// by its digest only, so that a damaged one is mended. What a run of another identity left is refused, or, where the
// options say so, thrown away when the plan is run: what its journal or manifest names, and nothing else.
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
#include "shardfs/materialize/manifest.h"
#include "shardfs/parallel/rank_set.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct PlannedFile {
  std::string path;                   // "model-norm/model.safetensors"
  const VirtualFile* file = nullptr;  // owned by the view
};

struct JournalContents;  // src/materialize/journal.h
class DestinationLock;   // src/materialize/destination_lock.h
struct Destination;      // src/materialize/destination_check.h

struct MaterializePlanOptions {
  RunIdentity identity;  // what the view was made with; the plan adds the ranks and the files
  bool restart = false;  // what an unfinished run left is thrown away, whatever it was
  // What a run of another identity left is thrown away, complete or not; of one of the same identity, what is damaged
  // is written again.
  bool replace = false;
};

class MaterializePlan {
 public:
  // Plans the files and directories that any of `ranks` loads, or all of the view without `ranks`. The root is always
  // part of it. `source` is the directory that the view was made from.
  //
  // kInvalidArgument when another run writes to `destination`, or when it is inside `source` or contains it, exists and
  // is neither empty nor left by a run of the same identity, has an entry that the run to be thrown away did not make,
  // or has a parent that does not exist or may not be written to. The same for a view with names that materialize needs
  // for itself, or that are not UTF-8. kCorruption when a journal or manifest in it is damaged. kResourceExhausted,
  // naming both numbers, when its filesystem has less room (bytes or inodes) than is needed, or, where that filesystem
  // lives in memory, when the machine or a control group of this process has less memory.
  static Result<MaterializePlan> Create(std::shared_ptr<const VirtualTree> tree, const std::optional<RankSet>& ranks,
                                        const std::string& source, const std::string& destination,
                                        const MaterializePlanOptions& options = {});

  const std::string& destination() const { return destination_; }            // absolute, links resolved
  bool destination_exists() const { return destination_exists_; }            // as a directory
  std::span<const PlannedFile> files() const { return files_; }              // in the view's order
  std::span<const std::string> directories() const { return directories_; }  // without the root
  std::uint64_t total_bytes() const { return total_bytes_; }                 // of the files

  const RunIdentity& identity() const { return identity_; }
  bool is_complete() const { return is_complete_; }  // the destination has all of it already
  // By file: the digest of one that is there already and stays; nothing for one that is to be written.
  const std::vector<std::optional<FileDigest>>& kept() const { return kept_; }
  // What an unfinished run left, or a complete one that lost files or is replaced, or null. With restart() all of it
  // goes.
  const JournalContents* unfinished() const { return unfinished_.get(); }
  bool reopens() const { return reopens_; }  // it was complete
  // The run compares what it keeps with its digests. unfinished() is then all that a complete destination holds, since
  // each of its files is in doubt.
  bool mends() const { return mends_; }
  const std::shared_ptr<DestinationLock>& lock() const { return lock_; }  // of a destination that is there, else null
  bool restart() const { return restart_; }

 private:
  MaterializePlan() = default;

  Status AddFiles(const std::optional<RankSet>& ranks);  // of the tree: what is to be written
  Status LookInto(Destination& found);                   // what is there already
  Status CheckRoomFor(const Destination& found) const;   // for what is not
  Status FindComplete();                                 // compares the destination with its manifest
  Status FindUnfinished();                               // reads its journal
  void KeepDone(const JournalContents& contents);        // those of its files that are there with their sizes

  std::shared_ptr<const VirtualTree> tree_;
  std::string destination_;
  bool destination_exists_ = false;
  std::vector<PlannedFile> files_;
  std::vector<std::string> directories_;
  std::uint64_t total_bytes_ = 0;
  RunIdentity identity_;
  bool is_complete_ = false;
  bool reopens_ = false;
  bool mends_ = false;
  bool restart_ = false;
  MaterializePlanOptions options_;
  std::shared_ptr<DestinationLock> lock_;
  std::vector<std::optional<FileDigest>> kept_;
  std::shared_ptr<const JournalContents> unfinished_;
};

}  // namespace shardfs
