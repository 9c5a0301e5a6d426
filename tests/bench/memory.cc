#include "bench/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "bench/stop_request.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs::bench {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kReserve = std::uint64_t{256} << 20;  // left free by TouchMemory

Result<FileDescriptor> Open(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Status::FromErrno(errno, "cannot open " + path);
  return file;
}

// Pages of one file: in the page cache, and in all.
Result<std::pair<std::size_t, std::size_t>> CountPages(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor file, Open(path));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return Status::FromErrno(errno, "cannot stat " + path);
  if (info.st_size == 0) return std::pair<std::size_t, std::size_t>(0, 0);
  const auto size = static_cast<std::size_t>(info.st_size);
  void* const mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapping == MAP_FAILED) return Status::FromErrno(errno, "cannot map " + path);
  std::vector<unsigned char> pages((size + kPage - 1) / kPage);
  const int result = ::mincore(mapping, size, pages.data());
  ::munmap(mapping, size);
  if (result != 0) return Status::FromErrno(errno, "mincore of " + path);
  const auto cached = std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
  return std::pair<std::size_t, std::size_t>(static_cast<std::size_t>(cached), pages.size());
}

}  // namespace

std::uint64_t MemoryInfo(const std::string& field) {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    std::uint64_t kib = 0;
    file >> kib;
    if (name == field + ":") return kib * 1024;
    std::getline(file, name);
  }
  return 0;
}

void TouchMemory(std::uint64_t bytes) {
  const std::uint64_t free = MemoryInfo("MemFree");
  bytes = std::min(bytes, free - std::min(free, kReserve));
  if (bytes == 0) return;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  for (std::uint64_t offset = 0; offset < bytes; offset += kPage) {
    static_cast<volatile char*>(memory)[offset] = 1;
  }
  ::munmap(memory, bytes);
}

// A file that was written a little at a time lies in the page cache in other pages than one that was read in, and is
// copied and mapped at another speed: what is compared has to be read in alike.
Status WarmFiles(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor file, Open(path));
    if (::fdatasync(file.get()) != 0) return Status::FromErrno(errno, "cannot write back " + path);
  }
  SHARDFS_RETURN_IF_ERROR(DropFiles(paths));
  std::vector<char> buffer(std::size_t{1} << 20);
  for (const std::string& path : paths) {
    SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor file, Open(path));
    ssize_t got = 0;
    while ((got = ::read(file.get(), buffer.data(), buffer.size())) > 0) {
      if (StopRequested()) return Stopped();
    }
    if (got < 0) return Status::FromErrno(errno, "cannot read " + path);
  }
  return Status::Ok();
}

Status DropFiles(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor file, Open(path));
    if (const int error = ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
      return Status::FromErrno(error, "cannot drop the pages of " + path);
    }
  }
  return Status::Ok();
}

Result<double> CachedShare(const std::vector<std::string>& paths) {
  std::size_t cached = 0, all = 0;
  for (const std::string& path : paths) {
    SHARDFS_ASSIGN_OR_RETURN(const auto pages, CountPages(path));
    cached += pages.first;
    all += pages.second;
  }
  return all == 0 ? 1.0 : static_cast<double>(cached) / static_cast<double>(all);
}

}  // namespace shardfs::bench
