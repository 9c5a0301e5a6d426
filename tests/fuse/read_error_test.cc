// A file that cannot be read: an error, one line in the log, and nothing else disturbed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "fuse/captured_log.h"
#include "fuse/fuse_available.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

using testing::HasSubstr;

// O_DIRECT, so that one read is one request: the kernel repeats a failed read-ahead page by page.
ssize_t ReadOnce(const std::string& path, char* buffer, std::size_t size, off_t offset) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  return ::pread(file.get(), buffer, size, offset);
}

TEST(ReadErrorTest, FailsThatReadAloneAndIsLoggedOnceAndCounted) {
  SHARDFS_REQUIRE_FUSE();
  const CapturedLog log;
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  alignas(4096) static char buffer[8192];

  EXPECT_EQ(ReadOnce(mount.PathOf("faulty.bin"), buffer, sizeof buffer, 300 * 1024), -1);
  EXPECT_EQ(errno, EIO);
  const std::string text = log.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_THAT(text, HasSubstr("error: cannot read 8192 bytes at offset 307200 of faulty.bin: "
                              "model-00001.safetensors, offset 307208: Input/output error"));
  EXPECT_EQ(mount.session().counters().read_errors(), 1u);

  EXPECT_EQ(ReadOnce(mount.PathOf("faulty.bin"), buffer, sizeof buffer, 4096), 8192);
  EXPECT_TRUE(std::all_of(buffer, buffer + sizeof buffer, [](char c) { return c == 'f'; }));
  EXPECT_EQ(ReadOnce(mount.PathOf("model-a/model.safetensors"), buffer, sizeof buffer, 4096), 8192);
  EXPECT_EQ(std::string(buffer, sizeof buffer), PatternBytes(kLargeSize, 1).substr(4096, sizeof buffer));
  EXPECT_EQ(mount.session().counters().read_errors(), 1u);
  EXPECT_EQ(mount.session().counters().reads(), 3u);
  EXPECT_EQ(mount.session().counters().read_bytes(), 2 * sizeof buffer);
}

TEST(ReadErrorTest, ManyReadersOfWhatCannotBeReadDoNotFloodTheLog) {
  SHARDFS_REQUIRE_FUSE();
  const CapturedLog log;
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  constexpr std::uint64_t kReaders = 16;
  constexpr std::uint64_t kReadsEach = 50;
  {
    std::vector<std::jthread> readers;
    for (std::uint64_t i = 0; i < kReaders; ++i) {
      readers.emplace_back([&mount] {
        alignas(4096) char buffer[4096];
        for (std::uint64_t j = 0; j < kReadsEach; ++j) {
          EXPECT_EQ(ReadOnce(mount.PathOf("faulty.bin"), buffer, sizeof buffer, 300 * 1024), -1);
          EXPECT_EQ(errno, EIO);
        }
      });
    }
  }
  EXPECT_EQ(mount.session().counters().read_errors(), kReaders * kReadsEach) << "every one is counted";
  // On a slow machine this takes more than one period, each with its lines, the one of its pause and one of how many
  // were held back.
  const std::string text = log.text();
  EXPECT_THAT(text, HasSubstr("error: reads keep failing; for up to 10 seconds"));
  EXPECT_LT(static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')), kReaders * kReadsEach / 4) << text;
}

TEST(ReadErrorTest, BufferedReadsFailToo) {
  SHARDFS_REQUIRE_FUSE();
  const CapturedLog log;
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  const FileDescriptor file(::open(mount.PathOf("faulty.bin").c_str(), O_RDONLY | O_CLOEXEC));
  char byte = 0;
  EXPECT_EQ(::pread(file.get(), &byte, 1, kFaultySize - 1), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(::pread(file.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'f');
}

}  // namespace
}  // namespace shardfs
