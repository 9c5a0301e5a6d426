#include "materialize/destination_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DestinationCheckTest : public ::testing::Test {
 protected:
  DestinationCheckTest() { fs::create_directories(root_ / "source/deep"); }

  std::string Refusal(const std::string& destination) {
    const auto result = CheckDestination(destination, root_ / "source");
    if (result.ok()) return "accepted";
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument) << result.status();
    return std::string(result.status().message());
  }

  TemporaryDirectory root_;
};

TEST_F(DestinationCheckTest, NewDirectory) {
  const auto result = CheckDestination(root_ / "new/", root_ / "source");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->path, fs::canonical(root_.path()) / "new");
  EXPECT_EQ(result->existing, fs::canonical(root_.path()));
  EXPECT_FALSE(result->exists);
  EXPECT_FALSE(fs::exists(root_ / "new"));
}

TEST_F(DestinationCheckTest, EmptyDirectoryThroughALink) {
  fs::create_directory(root_ / "empty");
  fs::create_directory_symlink("empty", root_ / "link");
  const auto result = CheckDestination(root_ / "link", root_ / "source");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->path, fs::canonical(root_ / "empty"));
  EXPECT_TRUE(result->exists);
}

TEST_F(DestinationCheckTest, NotEmpty) {
  WriteFile(root_ / "full/.hidden", "x");
  EXPECT_THAT(Refusal(root_ / "full"), AllOf(HasSubstr("not empty"), HasSubstr(".hidden")));
}

TEST_F(DestinationCheckTest, NoDirectory) {
  WriteFile(root_ / "file", "x");
  fs::create_symlink("nowhere", root_ / "dangling");
  EXPECT_THAT(Refusal(root_ / "file"), HasSubstr("not a directory"));
  EXPECT_THAT(Refusal(root_ / "dangling"), HasSubstr("not a directory"));
  EXPECT_THAT(Refusal(""), HasSubstr("empty"));
}

TEST_F(DestinationCheckTest, NoParent) {
  WriteFile(root_ / "file", "x");
  EXPECT_THAT(Refusal(root_ / "missing/new"), HasSubstr("missing' is not an existing directory"));
  EXPECT_THAT(Refusal(root_ / "file/new"), HasSubstr("file' is not an existing directory"));
}

TEST_F(DestinationCheckTest, InsideTheSource) {
  fs::create_directory_symlink(root_ / "source", root_ / "alias");
  for (const char* path :
       {"source", "source/new", "source/deep", "source/deep/new", "alias/new", "source/../source/x"}) {
    EXPECT_THAT(Refusal(root_ / path), HasSubstr("inside the source")) << path;
  }
}

TEST_F(DestinationCheckTest, ContainsTheSource) {
  EXPECT_THAT(Refusal(root_.path().string()), HasSubstr("contains the source"));
}

TEST_F(DestinationCheckTest, ANameThatStartsLikeTheSourceIsAnother) {
  EXPECT_EQ(Refusal(root_ / "source-materialized"), "accepted");
}

TEST_F(DestinationCheckTest, NoPermission) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  fs::permissions(root_.path(), fs::perms(0755));
  fs::create_directory(root_ / "theirs");
  fs::permissions(root_ / "theirs", fs::perms(0777));
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(::seteuid(kNobody), 0);
  const std::string in_parent = Refusal(root_ / "new");
  const std::string in_theirs = Refusal(root_ / "theirs");
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_THAT(in_parent, HasSubstr("cannot create files in"));
  EXPECT_THAT(in_theirs, HasSubstr("belongs to user 0"));
}

TEST(RoomCheckTest, Bytes) {
  const SmallFilesystem filesystem("size=1m");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  EXPECT_TRUE(CheckRoom(filesystem.path(), {std::vector<std::uint64_t>{1'000'000}, 2}).ok());
  const Status status = CheckRoom(filesystem.path(), {std::vector<std::uint64_t>{3'000'000}, 2});
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("3.01 MB"), HasSubstr("1.05 MB")));
}

TEST(RoomCheckTest, SmallFilesTakeWholeBlocks) {
  const SmallFilesystem filesystem("size=1m");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  const std::vector<std::uint64_t> tiny(257, 1);  // one block more than there are, 257 bytes in all
  EXPECT_EQ(CheckRoom(filesystem.path(), {tiny, 0}).code(), StatusCode::kResourceExhausted);
}

TEST(RoomCheckTest, Inodes) {
  const SmallFilesystem filesystem("size=1m,nr_inodes=10");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  const Status status = CheckRoom(filesystem.path(), {std::vector<std::uint64_t>(20, 0), 1});
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("21 files and directories"), HasSubstr("9 inodes")));
}

TEST(RoomCheckTest, MemoryBehindATmpfs) {
  struct statfs info {};
  if (::statfs("/dev/shm", &info) != 0 || info.f_type != TMPFS_MAGIC) GTEST_SKIP() << "needs a tmpfs at /dev/shm";
  const TemporaryDirectory kernel;
  WriteFile(kernel / "proc/meminfo", "MemAvailable: 1000 kB\n");
  const MemoryFiles files = {kernel / "proc", kernel / "cgroup"};
  EXPECT_TRUE(CheckRoom("/dev/shm", {std::vector<std::uint64_t>{1'000'000}, 1}, files).ok());
  const Status status = CheckRoom("/dev/shm", {std::vector<std::uint64_t>{2'000'000}, 1}, files);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("2.01 MB"), HasSubstr("1.02 MB"), HasSubstr("MemAvailable")));

  WriteFile(kernel / "proc/meminfo", "MemAvailable: 9000 kB\n");
  WriteFile(kernel / "proc/self/cgroup", "0::/\n");
  WriteFile(kernel / "cgroup/memory.max", "1500000\n");
  WriteFile(kernel / "cgroup/memory.current", "1000000\n");
  const Status limited = CheckRoom("/dev/shm", {std::vector<std::uint64_t>{2'000'000}, 1}, files);
  EXPECT_THAT(std::string(limited.message()), AllOf(HasSubstr("500 kB"), HasSubstr("control group")));
}

}  // namespace
}  // namespace shardfs
