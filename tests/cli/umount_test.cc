// shardfs umount, as a user runs it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;

bool IsMounted(const std::string& path) {
  const auto entry = FindMount(path);
  return entry.ok() && entry->has_value();
}

class UmountCommandTest : public testing::Test {
 protected:
  MountableDirectory directory_;
  std::string point_ = directory_.MakeDirectory("mount point");  // a space is escaped in the mount table
};

TEST_F(UmountCommandTest, UndoesAMount) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_EQ(RunShardfs(GoldenArguments("mount", {point_})).exit_code, 0);
  const ProgramResult result = RunShardfs({"umount", point_ + "/"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(IsMounted(point_));
  EXPECT_TRUE(std::filesystem::is_empty(point_));
}

TEST_F(UmountCommandTest, FollowsALinkToTheMountpoint) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_EQ(RunShardfs(GoldenArguments("mount", {point_})).exit_code, 0);
  const std::string link = directory_.path() / "link";
  std::filesystem::create_directory_symlink(point_, link);
  EXPECT_EQ(RunShardfs({"umount", link}).exit_code, 0);
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(UmountCommandTest, BusyIsRefusedUnlessLazy) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_EQ(RunShardfs(GoldenArguments("mount", {point_})).exit_code, 0);
  const FileDescriptor file(::open((point_ + "/config.json").c_str(), O_RDONLY | O_CLOEXEC));
  const ProgramResult busy = RunShardfs({"umount", point_});
  EXPECT_EQ(busy.exit_code, 1);
  EXPECT_THAT(busy.err, HasSubstr("--lazy"));
  EXPECT_TRUE(IsMounted(point_));
  EXPECT_EQ(RunShardfs({"umount", "--lazy", point_}).exit_code, 0);
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(UmountCommandTest, TakesADeadMountAway) {
  SHARDFS_REQUIRE_FUSE();
  {
    ShardfsProcess process(GoldenArguments("mount", {point_, "-f"}));
    ASSERT_TRUE(WaitUntil([&] { return IsMounted(point_) || !process.Running(); }));
    process.Signal(SIGKILL);
    process.Wait();
  }
  struct stat attributes {};
  ASSERT_EQ(::stat(point_.c_str(), &attributes), -1);
  ASSERT_EQ(errno, ENOTCONN);
  const ProgramResult again = RunShardfs(GoldenArguments("mount", {point_}));
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err,
              HasSubstr("is a mount already, and a dead one: its daemon has ended; run `shardfs umount " + point_));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(UmountCommandTest, IfMountedPassesOverWhatIsNot) {
  EXPECT_EQ(RunShardfs({"umount", "--if-mounted", point_}).exit_code, 0);
  EXPECT_EQ(RunShardfs({"umount", "--if-mounted", "/proc"}).exit_code, 2);
}

TEST_F(UmountCommandTest, RefusesWhatIsNoMountOfShardfs) {
  const ProgramResult plain = RunShardfs({"umount", point_});
  EXPECT_EQ(plain.exit_code, 2);
  EXPECT_THAT(plain.err, HasSubstr("is not mounted"));
  const ProgramResult proc = RunShardfs({"umount", "/proc"});
  EXPECT_EQ(proc.exit_code, 2);
  EXPECT_THAT(proc.err, HasSubstr("is a mount of type proc, not of fuse.shardfs"));
  const ProgramResult missing = RunShardfs({"umount", point_ + "/a/b"});
  EXPECT_EQ(missing.exit_code, 2);
}

}  // namespace
}  // namespace shardfs
