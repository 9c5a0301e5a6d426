#include "service/cached_bytes.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace shardfs {
namespace {

// The C library's headers of Debian 12 lack this part of linux/mman.h.
constexpr long kCachestat = 451;  // the number of the system call on every architecture
struct CachestatRange {
  std::uint64_t offset;
  std::uint64_t size;
};
struct Cachestat {
  std::uint64_t cached;  // pages
  std::uint64_t dirty;
  std::uint64_t writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};

std::optional<std::uint64_t> ByMincore(int fd, std::uint64_t offset, std::uint64_t size, std::uint64_t page) {
  struct stat attributes {};
  // The kernel calls everything cached for other users.
  if (::fstat(fd, &attributes) != 0 || (::geteuid() != 0 && ::geteuid() != attributes.st_uid)) return std::nullopt;
  const std::uint64_t begin = offset / page * page;
  const std::uint64_t length = offset + size - begin;
  void* const mapping = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
  if (mapping == MAP_FAILED) return std::nullopt;
  std::vector<unsigned char> pages((length + page - 1) / page);
  const bool told = ::mincore(mapping, length, pages.data()) == 0;
  ::munmap(mapping, length);
  if (!told) return std::nullopt;
  const auto cached = std::count_if(pages.begin(), pages.end(), [](unsigned char one) { return (one & 1) != 0; });
  return std::min(size, static_cast<std::uint64_t>(cached) * page);
}

}  // namespace

std::optional<std::uint64_t> CachedBytes(int fd, std::uint64_t offset, std::uint64_t size) {
  if (size == 0) return 0;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  CachestatRange range{offset, size};
  Cachestat told{};
  if (::syscall(kCachestat, fd, &range, &told, 0u) == 0) return std::min(size, told.cached * page);
  return ByMincore(fd, offset, size, page);
}

}  // namespace shardfs
