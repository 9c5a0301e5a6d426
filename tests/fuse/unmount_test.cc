#include "fuse/unmount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

using testing::HasSubstr;

bool IsMounted(const std::string& path) {
  const auto entry = FindMount(path);
  return entry.ok() && entry->has_value();
}

TEST(UnmountTest, BusyIsRefusedAndNamesTheWayOut) {
  SHARDFS_REQUIRE_FUSE();
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  FileDescriptor file(::open(mount.PathOf("config.json").c_str(), O_RDONLY | O_CLOEXEC));
  const Status status = Unmount(mount.path(), UnmountMode::kRefuseBusy);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--lazy"));
  EXPECT_TRUE(IsMounted(mount.path()));
}

TEST(UnmountTest, LazyTakesABusyMountAwayAndOpenFilesLiveOn) {
  SHARDFS_REQUIRE_FUSE();
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  FileDescriptor file(::open(mount.PathOf("config.json").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(Unmount(mount.path(), UnmountMode::kLazy).ok());
  EXPECT_FALSE(IsMounted(mount.path()));
  char byte = 0;
  EXPECT_EQ(::pread(file.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, kConfigText[0]);
  file = FileDescriptor();
  EXPECT_TRUE(mount.Join().ok());
}

TEST(UnmountTest, TakesADeadMountAway) {
  SHARDFS_REQUIRE_FUSE();
  const MountableDirectory directory;
  const std::string path = directory.MakeDirectory("mount");
  const pid_t server = ::fork();
  ASSERT_GE(server, 0);
  if (server == 0) {  // mounts, and dies without unmounting
    auto session = FuseSession::Create(SampleTree(), {});
    if (session.ok() && (*session)->Mount(path).ok()) ::raise(SIGKILL);
    ::_exit(1);
  }
  int wait_status = 0;
  ASSERT_EQ(::waitpid(server, &wait_status, 0), server);
  ASSERT_TRUE(WIFSIGNALED(wait_status));
  struct stat attributes {};
  ASSERT_EQ(::stat(path.c_str(), &attributes), -1);
  ASSERT_EQ(errno, ENOTCONN);
  EXPECT_TRUE(Unmount(path, UnmountMode::kRefuseBusy).ok());
  EXPECT_EQ(::stat(path.c_str(), &attributes), 0);
}

TEST(UnmountTest, NothingMountedIsAnError) {
  const MountableDirectory directory;
  EXPECT_FALSE(Unmount(directory.MakeDirectory("plain"), UnmountMode::kRefuseBusy).ok());
}

}  // namespace
}  // namespace shardfs
