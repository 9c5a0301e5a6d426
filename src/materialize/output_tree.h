// OutputTree: the directories and files that a run makes below its destination, and the way back.
//
// Remembers everything that it made, so that Rollback removes that and nothing else. Works relative to one descriptor
// of the destination: renaming directories above it meanwhile cannot redirect a write.
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
#include <mutex>
#include <string>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/materializer.h"

namespace shardfs {

class OutputTree {
 public:
  OutputTree(const MaterializePlan& plan, const MaterializeOptions& options)
      : plan_(plan),
        options_(options),
        files_(plan.files().size(), FileState::kAbsent),
        descriptors_(plan.files().size()) {}

  // Makes the destination if it does not exist, and all directories in it.
  Status MakeDirectories();

  // A descriptor of file `index` of the plan, for writing; the tree's own, valid until ParkFile or FinishFile. The
  // first call makes the file under its temporary name, with its size and, where that is cheap, its room reserved.
  Result<int> OpenFile(std::size_t index);

  // Nobody writes the file right now: its descriptor may be closed.
  void ParkFile(std::size_t index);

  // Closes the open file, whose bytes are all written, and gives it its mode and its name.
  Status FinishFile(std::size_t index);

  // Gives the directories their mode. The tree is complete afterwards.
  Status Finish();

  // Removes what this object made. The error names what could not be removed.
  Status Rollback();

  // For messages: "/dev/shm/x/model-norm/model.safetensors".
  std::string FullPath(const std::string& path) const { return plan_.destination() + "/" + path; }

 private:
  enum class FileState : std::uint8_t { kAbsent, kTemporary, kFinished };

  // Below the soft limit on open files that opening a checkpoint asks for, with room for the rest of the program.
  static constexpr std::size_t kMaxOpen = 512;

  Status OpenDestination();
  Status MakeFile(std::size_t index, int fd) const;
  Status CloseParked(std::size_t keep);  // all but so many; takes the lock
  Status SetOwner(int fd, const std::string& path) const;

  const MaterializePlan& plan_;
  const MaterializeOptions& options_;
  FileDescriptor parent_;  // of the destination
  FileDescriptor root_;    // the destination
  bool made_root_ = false;
  bool changed_root_ = false;         // an existing destination whose mode or owner was touched
  struct stat original_root_ {};      // an existing destination as it was
  std::size_t made_directories_ = 0;  // so many of the plan's, from the first
  std::vector<FileState> files_;
  std::vector<FileDescriptor> descriptors_;  // by file
  std::mutex mutex_;                         // guards parked_, and the descriptors of the files in it
  std::deque<std::size_t> parked_;           // open files without a writer, the longest parked first
};

}  // namespace shardfs
