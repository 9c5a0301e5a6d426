// Filesystem: what the operations of one session work on; libfuse hands it to each of them.
//
// Thread-safety: what is not said to be otherwise never changes once the session runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "fuse/attributes.h"
#include "fuse/counters.h"
#include "fuse/failure_log.h"
#include "fuse/last_error.h"
#include "fuse/mount_description.h"
#include "fuse/read_scheduler.h"
#include "fuse/status_snapshots.h"
#include "shardfs/view/virtual_tree.h"
#include "source/source_watch.h"

namespace shardfs {

struct Filesystem {
  std::shared_ptr<const VirtualTree> tree;
  AttributeOptions attributes;
  unsigned max_threads = 1;
  std::function<void()> on_init;  // called once, when the kernel has opened the connection
  std::function<void()> on_open;  // called for every file that is opened; may be empty

  MountDescription description;
  std::function<std::string(const std::string&)> source_path;  // of a source file, by its name; may be empty
  std::uint32_t device_major = 0;  // of the mount, by which the kernel's settings for it are found
  std::uint32_t device_minor = 0;
  std::chrono::system_clock::time_point mounted_at = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point mounted_at_steady = std::chrono::steady_clock::now();

  // These change while it runs; each is thread-safe.
  FuseCounters counters;
  LastError last_error;
  FailureLog failure_log;
  std::unique_ptr<ReadScheduler> reads;  // made by the session; null in a test that reads nothing
  std::shared_ptr<SourceWatch> watch;    // of the source files
  StatusSnapshots snapshots;

  bool Has(std::uint64_t inode) const { return inode >= 1 && inode <= tree->size(); }
};

// How long the kernel may keep names and attributes, in seconds. They never change, so any long time will do.
inline constexpr double kCacheSeconds = 24 * 3600.0;

// The most that one READ asks for, in bytes. The kernel would go up to 1 MiB, which no longer fits the second-level
// cache together with its source; read-ahead keeps as many bytes in flight either way.
inline constexpr unsigned kMaxReadBytes = 256 * 1024;

}  // namespace shardfs
