// DestinationLock: keeps two runs of materialize out of one destination.
//
// The lock is flock(2) on the destination directory itself: no file is left behind, and nothing that a run names,
// renames or removes takes it away. A run takes it before it looks at what the directory holds, and keeps it to its
// end:
//
//   - to look: shared. Any number of runs may find at once that the directory is complete and needs nothing.
//   - to write: exclusive, and then it looks again, because another run may have written between the two. Of several
//   that
//     want to write one gets it, and the others are refused.
//
// A process that ends, however it ends, lets go of it.
//
// Where flock is not to be had (a file system that knows none: ENOLCK, EOPNOTSUPP), and between two machines that share
// a destination on NFS, where the lock of a directory is each machine's own, only the journal stands between two runs:
// it is locked as a file, which NFS passes on to the server, and is never put in the place of another run's
// (journal.h). So the second run is refused once the first has begun its journal, and not in the moment before.
//
// Thread-safety: none. Ownership: has a descriptor of its own.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

class DestinationLock {
 public:
  // The shared lock of the directory at `path`. kInvalidArgument when a run writes to it, or when it cannot be opened;
  // kNotFound when it is not there any more.
  static Result<std::shared_ptr<DestinationLock>> Take(const std::string& path);

  // The exclusive lock of a directory that this run has just made at `path` and opened as `root`. kInvalidArgument when
  // another run was faster.
  static Result<std::shared_ptr<DestinationLock>> TakeNew(int root, const std::string& path);

  // Makes a shared lock exclusive. Waits a second for runs that only look. kInvalidArgument when another run has it.
  // Another run may have written in between: what the caller saw before counts no more.
  Status MakeExclusive();

  // Whether `path` still leads to the locked directory, and whether `info` is of it.
  bool IsAt(const std::string& path) const;
  bool Is(const struct stat& info) const;

 private:
  DestinationLock(FileDescriptor directory, std::string path, const struct stat& info)
      : directory_(std::move(directory)), path_(std::move(path)), info_(info) {}
  static Result<std::shared_ptr<DestinationLock>> Open(int at, const char* name, const std::string& path);
  Status Busy() const;

  FileDescriptor directory_;
  std::string path_;  // for messages
  struct stat info_;  // of the directory
};

}  // namespace shardfs
