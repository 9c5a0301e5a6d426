// Materialize: writes the files of a plan, in parallel, and leaves either all of them or nothing.
//
// Work goes in the order of the source, in pieces of 4 MiB, so that each source byte is read from its device once
// however many files share a tensor, also where the page cache is smaller than the source. Each file has one writer at
// a time and appears under its name only when it is complete: until then it is called ".shardfs-tmp-" and a digest
// (hidden, so that no glob for *.safetensors takes it for a shard). Its room is reserved when it is made, except on
// tmpfs, where the plan has compared the room and reserving it would cost time.
//
// A run that fails or is cancelled (a full filesystem, Ctrl-C) keeps the files that are complete and its journal, so
// that the same command goes on from there; so does one that was killed (SIGKILL, power). What is not complete is
// written anew. Where no file is complete, or with keep false, it removes everything that it made, and puts an existing
// destination's mode and owner back. A directory is complete when it has ".shardfs-complete", which is written last,
// behind the manifest (manifest.h).
//
// What an earlier run wrote gets the modes, the time and the owner that are asked for as well. Where no owner is asked
// for, a destination that is gone on with becomes the caller's as a whole, and a complete one keeps its owner.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/materialize/materialize_plan.h"

namespace shardfs {

// The default modes are the widest that MindIE's server accepts (spec/mindie-weight-sharder.md, section 6).
struct MaterializeOptions {
  mode_t file_mode = 0640;
  mode_t directory_mode = 0750;  // the destination itself included
  std::optional<uid_t> uid;      // owner; the caller's when not given
  std::optional<gid_t> gid;      // group; the filesystem's choice when not given
  // Modification time of all files and directories, in nanoseconds since the epoch; that of the moment when not given.
  std::optional<std::int64_t> time_ns;
  unsigned threads = 0;            // files written at a time; 0: one per CPU that the process may use
  unsigned io_depth = 8;           // pieces (4 MiB) of the source read ahead at a time; 0: none
  bool keep = true;                // what is complete, when the run fails
  bool verify = false;             // all files are read again at the end and compared with their digests
  bool drop_source_cache = false;  // the source's pages are dropped from the page cache once no file needs them
};

// How far a run is, for a thread that reports it. Written by the run with relaxed atomics: a reader sees each number
// soon, but not all of them at one instant.
struct MaterializeProgress {
  static constexpr std::uint32_t kNoFile = std::numeric_limits<std::uint32_t>::max();

  std::atomic<std::uint64_t> bytes_done{0};  // of the plan's, kept ones included; with `verify` each counts twice
  std::atomic<std::uint32_t> files_done{0};
  std::atomic<std::uint32_t> current_file{kNoFile};  // the file started last, as an index of MaterializePlan::files()
};

struct MaterializeSummary {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;  // without the destination itself
  std::uint64_t bytes = 0;
  std::uint64_t kept_files = 0;  // of these: complete before this run
  std::uint64_t kept_bytes = 0;
  // Files that an earlier run had completed and that were damaged since: gone, or of another size or digest. Written
  // anew.
  std::vector<std::string> mended{};
  double seconds = 0;
};

// Runs the plan. `progress` must outlive the call. `cancel` may be requested from any thread; the run notices within a
// piece (4 MiB) per thread, or within one file's reservation of room.
//
// Errors name the file: kCancelled, kResourceExhausted when room runs out after all, the view's own error when a read
// fails, kDifferent when `verify` reads back other bytes than were written, kIoError. The first one stops all workers
// and is the one returned.
Result<MaterializeSummary> Materialize(const MaterializePlan& plan, const MaterializeOptions& options,
                                       MaterializeProgress& progress, std::stop_token cancel);

}  // namespace shardfs
