// ScratchDirectory: a directory for one test, removed with everything in it at its end.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "format/safetensors/header_bytes.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs::testing {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "shardfs-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
    fd_ = FileDescriptor(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  void Write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

  // A shard with one U8 tensor of `size` bytes for each name.
  void WriteShard(std::string_view file, const std::vector<std::string>& tensors, std::uint64_t size = 4) const {
    std::vector<NewTensor> entries;
    for (const std::string& tensor : tensors) entries.push_back({tensor, Dtype::kU8, {size}});
    const auto header = SerializeHeader(entries);
    ASSERT_TRUE(header.ok()) << header.status();
    std::string bytes = header->bytes;
    for (std::size_t i = 0; bytes.size() < header->file_size; ++i) bytes += static_cast<char>(i % 251);
    Write(file, bytes);
  }

  // Changes the modification time, as a write some time after the opening would.
  void Touch(std::string_view name) const {
    const struct timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 1'000'000'000, .tv_nsec = 7}};
    ASSERT_EQ(::utimensat(fd(), std::string(name).c_str(), times, 0), 0);
  }

 private:
  std::filesystem::path path_;
  FileDescriptor fd_;
};

}  // namespace shardfs::testing
