// The operations, as a program sees them through the kernel.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <set>

#include "fuse/fuse_available.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

constexpr const char* kLarge = "model-a/model.safetensors";

class OperationsTest : public testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    FuseOptions options;
    options.attributes = {.uid = ::geteuid(), .gid = ::getegid(), .time_ns = 1'700'000'000'000'000'000};
    mount_ = std::make_unique<MountedTree>(SampleTree(), options);
    ASSERT_TRUE(mount_->status().ok()) << mount_->status();
  }

  FileDescriptor Open(const std::string& name, int flags = O_RDONLY) const {
    return FileDescriptor(::open(mount_->PathOf(name).c_str(), flags | O_CLOEXEC, 0600));
  }

  std::string Read(const std::string& name, std::size_t size, off_t offset) const {
    const FileDescriptor file = Open(name);
    std::string bytes(size, '\0');
    const ssize_t count = ::pread(file.get(), bytes.data(), size, offset);
    EXPECT_GE(count, 0) << name << ": " << std::strerror(errno);
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
  }

  std::unique_ptr<MountedTree> mount_;
};

TEST_F(OperationsTest, ListsEveryName) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(mount_->path())) names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"config.json", "empty.json", "faulty.bin", "many", "model-a"}));
}

TEST_F(OperationsTest, ListsADirectoryLargerThanOneReplyTwice) {
  for (int round = 0; round < 2; ++round) {  // from the daemon, then from the kernel's cache
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(mount_->PathOf("many"))) {
      names.push_back(entry.path().filename());
      EXPECT_EQ(entry.file_size(), std::strlen("many/file-000.bin"));
    }
    EXPECT_EQ(names.size(), std::size_t{kManyFiles});
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  }
}

TEST_F(OperationsTest, StatTellsSizeModeOwnerAndTime) {
  struct stat attributes {};
  ASSERT_EQ(::stat(mount_->PathOf(kLarge).c_str(), &attributes), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(attributes.st_size), kLargeSize);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFREG | 0440});
  EXPECT_EQ(attributes.st_uid, ::geteuid());
  EXPECT_EQ(attributes.st_gid, ::getegid());
  EXPECT_EQ(attributes.st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(attributes.st_nlink, 1u);
  ASSERT_EQ(::stat(mount_->path().c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFDIR | 0750});
  EXPECT_EQ(attributes.st_nlink, 4u);
}

TEST_F(OperationsTest, MissingNamesAreNotFound) {
  struct stat attributes {};
  for (int round = 0; round < 2; ++round) {
    errno = 0;
    EXPECT_EQ(::stat(mount_->PathOf("model-b").c_str(), &attributes), -1);
    EXPECT_EQ(errno, ENOENT);
  }
  EXPECT_EQ(::stat(mount_->PathOf("config.json/x").c_str(), &attributes), -1);
  EXPECT_EQ(errno, ENOTDIR);
}

TEST_F(OperationsTest, ReadsAtAnyOffset) {
  const std::string expected = PatternBytes(kLargeSize, 1);
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t offset = random() % kLargeSize;
    const std::uint64_t size = 1 + random() % (i % 2 == 0 ? 5000 : 700'000);
    EXPECT_TRUE(Read(kLarge, size, static_cast<off_t>(offset)) == expected.substr(offset, size))
        << size << " bytes at " << offset;
  }
  EXPECT_EQ(Read("config.json", 1000, 0), kConfigText);
}

TEST_F(OperationsTest, ReadsStopAtTheEnd) {
  const std::string expected = PatternBytes(kLargeSize, 1);
  EXPECT_EQ(Read(kLarge, 8192, kLargeSize - 100), expected.substr(kLargeSize - 100));
  EXPECT_EQ(Read(kLarge, 10, kLargeSize), "");
  EXPECT_EQ(Read(kLarge, 10, kLargeSize + 1'000'000), "");
  EXPECT_EQ(Read("empty.json", 10, 0), "");
}

TEST_F(OperationsTest, DirectReadsGiveTheSameBytes) {
  const FileDescriptor file = Open(kLarge, O_RDONLY | O_DIRECT);
  ASSERT_TRUE(file.valid());
  std::string bytes(kLargeSize, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    ASSERT_GT(count, 0);
    done += static_cast<std::size_t>(count);
  }
  EXPECT_TRUE(bytes == PatternBytes(kLargeSize, 1));
}

TEST_F(OperationsTest, ADirectReadPastTheEndStopsThere) {
  const FileDescriptor file = Open(kLarge, O_RDONLY | O_DIRECT);
  ASSERT_TRUE(file.valid());
  std::string bytes(kLargeSize + 2 * 1024 * 1024, '\0');  // two largest requests behind the end
  ASSERT_EQ(::pread(file.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(kLargeSize))
      << std::strerror(errno);
  bytes.resize(kLargeSize);
  EXPECT_TRUE(bytes == PatternBytes(kLargeSize, 1));
}

TEST_F(OperationsTest, MapsSharedAndPrivate) {
  const std::string expected = PatternBytes(kLargeSize, 1);
  for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
    const FileDescriptor file = Open(kLarge);
    void* const mapping = ::mmap(nullptr, kLargeSize, PROT_READ, flags, file.get(), 0);
    ASSERT_NE(mapping, MAP_FAILED) << std::strerror(errno);
    EXPECT_EQ(std::memcmp(mapping, expected.data(), kLargeSize), 0);
    ::munmap(mapping, kLargeSize);
  }
}

TEST_F(OperationsTest, RefusesToChangeAnything) {
  const auto refused = [](int result) { return result == -1 && errno == EROFS; };
  const std::string file = mount_->PathOf("config.json");
  EXPECT_FALSE(Open("config.json", O_WRONLY).valid());
  EXPECT_EQ(errno, EROFS);
  EXPECT_FALSE(Open("config.json", O_RDWR).valid());
  EXPECT_EQ(errno, EROFS);
  EXPECT_FALSE(Open("config.json", O_RDONLY | O_TRUNC).valid());
  EXPECT_EQ(errno, EROFS);
  EXPECT_FALSE(Open("new.json", O_WRONLY | O_CREAT).valid());
  EXPECT_EQ(errno, EROFS);
  EXPECT_TRUE(refused(::unlink(file.c_str())));
  EXPECT_TRUE(refused(::chmod(file.c_str(), 0644)));
  EXPECT_TRUE(refused(::truncate(file.c_str(), 0)));
  EXPECT_TRUE(refused(::rename(file.c_str(), mount_->PathOf("other").c_str())));
  EXPECT_TRUE(refused(::mkdir(mount_->PathOf("directory").c_str(), 0700)));
  EXPECT_TRUE(refused(::rmdir(mount_->PathOf("many").c_str())));
  EXPECT_EQ(Read("config.json", 1000, 0), kConfigText);
}

TEST_F(OperationsTest, OpensADirectoryOnlyForListing) {
  const FileDescriptor directory = Open("many");
  ASSERT_TRUE(directory.valid());
  char byte = 0;
  EXPECT_EQ(::read(directory.get(), &byte, 1), -1);
  EXPECT_EQ(errno, EISDIR);
}

TEST_F(OperationsTest, StatfsTellsTheWholeSize) {
  struct statvfs statistics {};
  ASSERT_EQ(::statvfs(mount_->path().c_str(), &statistics), 0);
  const std::uint64_t total = SampleTree()->total_file_bytes();
  EXPECT_EQ(statistics.f_blocks, (total + statistics.f_frsize - 1) / statistics.f_frsize);
  EXPECT_EQ(statistics.f_bfree, 0u);
  EXPECT_EQ(statistics.f_files, SampleTree()->size());
  EXPECT_EQ(statistics.f_namemax, 255u);
  EXPECT_TRUE((statistics.f_flag & ST_RDONLY) != 0);
}

// Reads and maps everything, as a rank would; 0 when all bytes were right. Runs in a child process, which may not use
// the test framework.
int ReadEverything(const std::string& path, const std::string& expected, unsigned seed) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return 1;
  std::string bytes(256 * 1024, '\0');
  std::mt19937 random(seed);
  for (int i = 0; i < 50; ++i) {
    const std::size_t offset = random() % (expected.size() - bytes.size());
    if (::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(bytes.size())) {
      return 2;
    }
    if (std::memcmp(bytes.data(), expected.data() + offset, bytes.size()) != 0) return 3;
  }
  void* const mapping = ::mmap(nullptr, expected.size(), PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapping == MAP_FAILED) return 4;
  return std::memcmp(mapping, expected.data(), expected.size()) == 0 ? 0 : 5;
}

// Threads, because this process serves the mount: a fork of it would have the serving threads' locks and not the
// threads. (Sixteen processes read a mount of another process in tests/end_to_end.)
TEST_F(OperationsTest, SixteenReadersAtOnceGetTheRightBytes) {
  const std::string expected = PatternBytes(kLargeSize, 1);
  const std::string path = mount_->PathOf(kLarge);
  std::vector<int> results(16, -1);
  {
    std::vector<std::jthread> readers;
    for (unsigned i = 0; i < 16; ++i) {
      readers.emplace_back([&, i] { results[i] = ReadEverything(path, expected, i); });
    }
  }
  EXPECT_EQ(results, std::vector<int>(16, 0));
}

}  // namespace
}  // namespace shardfs
