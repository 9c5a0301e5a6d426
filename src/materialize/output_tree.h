// OutputTree: the directories and files that a run makes below its destination, and the way back.
//
// Notes everything that it makes in the journal, so that a later run can go on, or remove that and nothing else. Works
// relative to one descriptor of the destination: renaming directories above it meanwhile cannot redirect a write.
//
// Work goes in the order of the source, so that many files are in work at once: up to kMaxOpen of them stay open
// between two writes, the others are opened again.
//
// Thread-safety: OpenFile, ParkFile and FinishFile may be called from any threads, each file by one thread at a time;
// all other members from one thread while no file is in work. Ownership: borrows the plan and the options.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "materialize/destination_lock.h"
#include "materialize/journal.h"
#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/materializer.h"

namespace shardfs {

class OutputTree {
 public:
  OutputTree(const MaterializePlan& plan, const MaterializeOptions& options)
      : plan_(plan),
        options_(options),
        lock_(plan.lock()),
        temporary_(plan.files().size(), false),
        digests_(plan.kept()),
        descriptors_(plan.files().size()) {}

  // Makes the destination if it does not exist, locks it where the plan has not, and takes its journal: from here on it
  // is this run's alone. Throws away
  // what an unfinished run left where the plan says so.
  Status Open();

  // Instead of Open, of a destination that the plan found complete: it gets the modes, the owner and the time asked
  // for, and loses what a run leaves that is killed behind its last file.
  Status OpenComplete();

  // After Open: removes what an unfinished run left incomplete, and makes the directories.
  Status Prepare();

  // A descriptor of file `index` of the plan, for writing; the tree's own, valid until ParkFile or FinishFile. The
  // first call makes the file under its temporary name, with its size and, where that is cheap, its room reserved.
  Result<int> OpenFile(std::size_t index);

  // Nobody writes the file right now: its descriptor may be closed.
  void ParkFile(std::size_t index);

  // Closes the open file, whose bytes are all written and have that digest, gives it its mode and its name, and notes
  // it in the journal.
  Status FinishFile(std::size_t index, const FileDigest& digest);

  // Looks that every file is there, gives all of them and the directories their modes, owner and time, and writes
  // manifest and marker. The tree is complete afterwards.
  Status Finish();

  // Ends a run that failed, so that another can go on: removes what is not complete.
  Status Suspend();

  // Removes everything that the run made, and nothing that another one did. The error names what could not be removed.
  Status Rollback();

  // Removes a complete file that turned out to be damaged.
  Status RemoveFile(std::size_t index);

  int root() const { return root_.get(); }
  bool owns_destination() const { return owned_; }
  // By file: of those that are complete. Not while files are in work.
  const std::vector<std::optional<FileDigest>>& digests() const { return digests_; }

  // For messages: "/dev/shm/x/model-norm/model.safetensors".
  std::string FullPath(const std::string& path) const { return plan_.destination() + "/" + path; }

 private:
  // Below the soft limit on open files that opening a checkpoint asks for, with room for the rest of the program.
  static constexpr std::size_t kMaxOpen = 512;

  Status OpenRoot();
  Status LockNew();  // a destination that this run has just made
  Status Discard();  // what an unfinished run left
  Status MakeDirectory(const std::string& path);
  Status WriteManifest();
  // One of the two files behind the tree. Its time is made of the digest of the manifest, which differs where the runs
  // write other ranks of one view.
  Status WriteOwnFile(const char* name, std::string_view content, const FileDigest& manifest);
  void CloseAll();
  Status MakeFile(std::size_t index, int fd) const;
  Status CloseParked(std::size_t keep);  // all but so many; takes the lock
  Status SetOwner(int fd, const std::string& path) const;

  const MaterializePlan& plan_;
  const MaterializeOptions& options_;
  std::shared_ptr<DestinationLock> lock_;  // first, so that it is let go of last
  FileDescriptor parent_;                  // of the destination
  FileDescriptor root_;                    // the destination
  Journal journal_;
  bool owned_ = false;  // the journal is held, so that everything in the destination is this run's
  bool made_root_ = false;
  bool changed_root_ = false;                       // an existing destination whose mode or owner was touched
  struct stat original_root_ {};                    // an existing destination as it was
  std::size_t made_directories_ = 0;                // so many of the plan's, from the first
  std::vector<std::uint8_t> temporary_;             // by file: whether it exists under its temporary name; its writer's
  std::vector<std::optional<FileDigest>> digests_;  // by file: of those that are complete; its writer's
  std::vector<FileDescriptor> descriptors_;         // by file
  std::mutex mutex_;                                // guards parked_, and the descriptors of the files in it
  std::deque<std::size_t> parked_;                  // open files without a writer, the longest parked first
};

}  // namespace shardfs
