// Measures how much of an open file is in the page cache.
#pragma once

#include <cstdint>
#include <optional>

namespace shardfs {

// Bytes of [offset, offset + size) of the file that are in memory, to within a page; nothing where the kernel does not
// tell this process: it has cachestat(2) since Linux 6.5, and mincore(2) tells the truth to root and the file's owner.
std::optional<std::uint64_t> CachedBytes(int fd, std::uint64_t offset, std::uint64_t size);

}  // namespace shardfs
