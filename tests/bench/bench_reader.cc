// bench_reader MODE LIST: reads the files that LIST names, one a line, and prints bytes, begin and end
// (CLOCK_MONOTONIC, in seconds). It begins when standard input ends, so that several can begin together.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kDirectBlock = std::size_t{4} << 20;
constexpr std::size_t kAlignment = 4096;

double Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "bench_reader: %s: %s\n", what.c_str(), std::generic_category().message(errno).c_str());
  std::exit(1);
}

// The same memory for all files, so that it is faulted in once.
char* Buffer() {
  static char* const buffer = [] {
    auto* const bytes = static_cast<char*>(std::aligned_alloc(kAlignment, kDirectBlock));
    if (bytes == nullptr) Fail("no memory");
    std::memset(bytes, 1, kDirectBlock);
    return bytes;
  }();
  return buffer;
}

class File {
 public:
  File(const std::string& path, int flags) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags)) {
    if (fd_ < 0) Fail("cannot open " + path);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(fd_); }

  int fd() const { return fd_; }
  std::size_t Read(std::size_t size) const {
    const ssize_t got = ::read(fd_, Buffer(), size);
    if (got < 0) Fail("cannot read " + path_);
    return static_cast<std::size_t>(got);
  }
  std::size_t Size() const {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) Fail("cannot stat " + path_);
    return static_cast<std::size_t>(info.st_size);
  }

 private:
  const std::string& path_;
  int fd_;
};

std::uint64_t ReadBlocks(const std::string& path, int flags, std::size_t block) {
  const File file(path, flags);
  std::uint64_t bytes = 0;
  while (const std::size_t got = file.Read(block)) bytes += got;
  return bytes;
}

std::uint64_t ReadMapped(const std::string& path) {
  const File file(path, 0);
  const std::size_t size = file.Size();
  if (size == 0) return 0;
  void* const mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (mapping == MAP_FAILED) Fail("cannot map " + path);
  for (std::size_t offset = 0; offset < size; offset += kBlock) {
    std::memcpy(Buffer(), static_cast<const char*>(mapping) + offset, std::min(kBlock, size - offset));
    asm volatile("" : : "r"(Buffer()) : "memory");  // the copy is never looked at
  }
  ::munmap(mapping, size);
  return size;
}

// The length in 8 bytes, then as much.
std::uint64_t ReadHeader(const std::string& path) {
  const File file(path, 0);
  std::uint64_t left = 0;
  if (file.Read(sizeof(left)) != sizeof(left)) Fail(path + " is too short for a header");
  std::memcpy(&left, Buffer(), sizeof(left));
  std::uint64_t bytes = sizeof(left);
  while (left > 0) {
    const std::size_t got = file.Read(std::min<std::uint64_t>(left, kBlock));
    if (got == 0) Fail(path + " ends within its header");
    bytes += got;
    left -= got;
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc == 3 ? argv[1] : "";
  std::vector<std::string> paths;
  std::ifstream list(argc == 3 ? argv[2] : "");
  for (std::string path; std::getline(list, path);) paths.push_back(path);
  Buffer();
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  const double begin = Now();
  std::uint64_t bytes = 0;
  for (const std::string& path : paths) {
    if (mode == "buffered") {
      bytes += ReadBlocks(path, 0, kBlock);
    } else if (mode == "direct") {
      bytes += ReadBlocks(path, O_DIRECT, kDirectBlock);
    } else if (mode == "mapped") {
      bytes += ReadMapped(path);
    } else if (mode == "headers") {
      bytes += ReadHeader(path);
    } else {
      std::fprintf(stderr, "bench_reader: give a mode (buffered, mapped, direct, headers) and a list of files\n");
      return 2;
    }
  }
  std::printf("%llu %.9f %.9f\n", static_cast<unsigned long long>(bytes), begin, Now());
  return 0;
}
