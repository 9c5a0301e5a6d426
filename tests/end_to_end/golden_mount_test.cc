// The golden cases through the mount, as read(2), pread(2), mmap(2) and cp see them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_cases.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

class GoldenMount : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenMount, ShowsWhatTheReferenceWrote) {
  SHARDFS_REQUIRE_FUSE();
  const GoldenCase& golden = GetParam();
  const MountedProgram mount(golden.source, LayoutArguments(golden));
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;

  EXPECT_TRUE(IsReferenceDirectory(mount.path(), golden.expected,
                                   [](const auto& path) { return ReadMapped(path, MAP_SHARED); }));
  EXPECT_TRUE(IsReferenceDirectory(mount.path(), golden.expected,
                                   [](const auto& path) { return ReadMapped(path, MAP_PRIVATE); }));
  EXPECT_TRUE(IsReferenceDirectory(mount.path(), golden.expected, [](const auto& path) { return ReadFile(path); }));
}

TEST_P(GoldenMount, ReadsThatComeFirstMayBeginAnywhere) {
  SHARDFS_REQUIRE_FUSE();
  const GoldenCase& golden = GetParam();
  const MountedProgram mount(golden.source, LayoutArguments(golden));
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  std::mt19937_64 random(1);
  for (const std::string& file : FilesBelow(golden.expected)) {
    if (file == "model_sharded_metadata.json") continue;
    const std::string expected = ReadFile(golden.expected / file);
    const int fd = ::open((std::filesystem::path(mount.path()) / file).c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0) << file;
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t offset = random() % (expected.size() + 10);
      const std::size_t size = 1 + random() % 9000;
      std::string bytes(size, '\xa5');
      const ssize_t count = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset));
      ASSERT_GE(count, 0) << file;
      bytes.resize(static_cast<std::size_t>(count));
      ASSERT_EQ(bytes, offset >= expected.size() ? "" : expected.substr(offset, size)) << file << " at " << offset;
    }
    ::close(fd);
  }
}

TEST_P(GoldenMount, CpGivesTheReferencesDirectory) {
  SHARDFS_REQUIRE_FUSE();
  const GoldenCase& golden = GetParam();
  const MountedProgram mount(golden.source, LayoutArguments(golden));
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  const auto copy = mount.Scratch("copy");
  ASSERT_EQ(std::system(("mkdir " + copy.string() + " && cp -r " + mount.path() + "/. " + copy.string()).c_str()), 0);
  EXPECT_TRUE(IsReferenceDirectory(copy, golden.expected, [](const auto& path) { return ReadFile(path); }));
  // cp gave the copy the directories' modes of the view; only their owner may remove what is in them.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
    if (entry.is_directory()) std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
  }
}

INSTANTIATE_TEST_SUITE_P(Sharder, GoldenMount, ::testing::ValuesIn(ShownSharderCases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Loader, GoldenMount, ::testing::ValuesIn(ShownLoaderCases()),
                         [](const auto& test) { return test.param.name; });

TEST(GoldenMountRefusal, WhatTheReferenceLosesDataOnIsNotMounted) {
  SHARDFS_REQUIRE_FUSE();
  for (const char* name : {"bf16_firstk1_dp2tp2_mtp2ep2", "bf16_ep3_dp3tp1"}) {
    const GoldenCase golden = FindGoldenCase(name);
    const MountedProgram mount(golden.source, LayoutArguments(golden));
    EXPECT_EQ(mount.result().exit_code, name == std::string("bf16_ep3_dp3tp1") ? 2 : 3) << mount.result().err;
    EXPECT_TRUE(std::filesystem::is_empty(mount.path()));
  }
}

}  // namespace
}  // namespace shardfs::testing
