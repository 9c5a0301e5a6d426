// The state of memory that a measurement starts from.
//
// Thread-safety: any thread; but each is about the whole machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs::bench {

// In bytes, from /proc/meminfo: "MemAvailable", "MemFree". 0 when it is not there.
std::uint64_t MemoryInfo(const std::string& field);

// Writes fresh memory and gives it back: what is free, up to three times `bytes`, because the kernel may hand out other
// pages than these next. In a virtual machine, freed memory may have gone back to the host, and the first who writes it
// again waits for it: this is done right before what is timed. Leaves the page cache alone.
void TouchMemory(std::uint64_t bytes);

// Throws files out of the page cache and reads them in from one end to the other, so that they are in it if there is
// room, in such pages as read-ahead makes.
Status WarmFiles(const std::vector<std::string>& paths);

// Throws the pages of files out of the page cache. They must have been written back.
Status DropFiles(const std::vector<std::string>& paths);

// The share of a file's pages that is in the page cache, 0 to 1.
Result<double> CachedShare(const std::vector<std::string>& paths);

}  // namespace shardfs::bench
