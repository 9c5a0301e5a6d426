// Filesystem: what the operations of one session work on; libfuse hands it to each of them.
//
// Thread-safety: tree and attributes never change once the session runs; counters are atomic.
#pragma once

#include <functional>
#include <memory>

#include "fuse/attributes.h"
#include "fuse/counters.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct Filesystem {
  std::shared_ptr<const VirtualTree> tree;
  AttributeOptions attributes;
  unsigned max_threads = 1;
  std::function<void()> on_init;  // called once, when the kernel has opened the connection
  FuseCounters counters;

  bool Has(std::uint64_t inode) const { return inode >= 1 && inode <= tree->size(); }
};

// How long the kernel may keep names and attributes, in seconds. They never change, so any long time will do.
inline constexpr double kCacheSeconds = 24 * 3600.0;

// The most that one READ asks for, in bytes. The kernel would go up to 1 MiB, which no longer fits the second-level
// cache together with its source; read-ahead keeps as many bytes in flight either way.
inline constexpr unsigned kMaxReadBytes = 256 * 1024;

}  // namespace shardfs
