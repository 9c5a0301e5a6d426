#include "fuse/session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "fuse/unmount.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

bool IsMounted(const std::string& path) {
  const auto entry = FindMount(path);
  return entry.ok() && entry->has_value();
}

class SessionTest : public testing::Test {
 protected:
  void SetUp() override { SHARDFS_REQUIRE_FUSE(); }
};

TEST_F(SessionTest, MountsWithTheSafeOptions) {
  FuseOptions options;
  options.source_name = "/data/a,b\\c d";
  MountedTree mount(SampleTree(), options);
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  const auto entry = FindMount(mount.path());
  ASSERT_TRUE(entry.ok() && entry->has_value());
  EXPECT_EQ((*entry)->type, kShardfsType);
  EXPECT_EQ((*entry)->source, "/data/a,b\\c d");
  for (const char* option : {"ro", "nosuid", "nodev", "noexec", "noatime"}) {
    EXPECT_NE(("," + (*entry)->options + ",").find(std::string(",") + option + ","), std::string::npos) << option;
  }
}

TEST_F(SessionTest, StopUnmountsAndLeavesTheDirectoryEmpty) {
  const MountableDirectory directory;
  std::string path;
  {
    MountedTree mount(SampleTree());
    ASSERT_TRUE(mount.status().ok()) << mount.status();
    path = mount.path();
    ASSERT_TRUE(IsMounted(path));
    EXPECT_TRUE(mount.session().Stop(kHang));
    EXPECT_TRUE(mount.Join().ok());
  }
  EXPECT_FALSE(IsMounted(path));
}

TEST_F(SessionTest, StopsThoughBusy) {
  std::string path;
  FileDescriptor open_file;
  std::atomic<bool> stop = false;
  std::atomic<int> reads = 0;
  std::thread reader;
  {
    MountedTree mount(SampleTree());
    ASSERT_TRUE(mount.status().ok()) << mount.status();
    path = mount.path();
    open_file = FileDescriptor(::open(mount.PathOf("config.json").c_str(), O_RDONLY | O_CLOEXEC));
    reader = std::thread([&stop, &reads, file = mount.PathOf("model-a/model.safetensors")] {
      char buffer[4096];
      while (!stop) {
        const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd.valid() || ::read(fd.get(), buffer, sizeof buffer) < 0) return;
        ++reads;
      }
    });
    EXPECT_TRUE(WaitUntil([&reads] { return reads > 0; }));
    EXPECT_TRUE(mount.session().Stop(kHang));
  }
  EXPECT_FALSE(IsMounted(path));
  stop = true;
  reader.join();
}

TEST_F(SessionTest, RunReturnsWhenSomebodyUnmounts) {
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  ASSERT_TRUE(Unmount(mount.path(), UnmountMode::kRefuseBusy).ok());
  EXPECT_TRUE(mount.Join().ok());
  EXPECT_FALSE(IsMounted(mount.path()));
}

TEST_F(SessionTest, StopBeforeRunMakesRunReturn) {
  const MountableDirectory directory;
  const std::string path = directory.MakeDirectory("mount");
  auto session = FuseSession::Create(SampleTree(), {});
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE((*session)->Mount(path).ok());
  EXPECT_TRUE((*session)->Stop(kHang));
  EXPECT_TRUE((*session)->Run().ok());
  *session = nullptr;
  EXPECT_FALSE(IsMounted(path));
}

TEST_F(SessionTest, AnUnusedSessionLeavesNothing) {
  const MountableDirectory directory;
  const std::string path = directory.MakeDirectory("mount");
  auto session = FuseSession::Create(SampleTree(), {});
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE((*session)->Mount(path).ok());
  *session = nullptr;
  EXPECT_FALSE(IsMounted(path));
}

TEST_F(SessionTest, DoesNotUnmountWhatIsNotItsOwn) {
  const MountableDirectory directory;
  const std::string path = directory.MakeDirectory("mount");
  auto first = FuseSession::Create(SampleTree(), {});
  ASSERT_TRUE(first.ok() && (*first)->Mount(path).ok());
  ASSERT_TRUE(Unmount(path, UnmountMode::kLazy).ok());
  auto second = FuseSession::Create(SampleTree(), {});
  ASSERT_TRUE(second.ok() && (*second)->Mount(path).ok());
  *first = nullptr;
  EXPECT_TRUE(IsMounted(path));
  *second = nullptr;
  EXPECT_FALSE(IsMounted(path));
}

TEST_F(SessionTest, MountFailureSaysWhy) {
  const MountableDirectory directory;
  auto session = FuseSession::Create(SampleTree(), {});
  ASSERT_TRUE(session.ok());
  const Status status = (*session)->Mount(directory.path() / "missing");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("missing"), std::string_view::npos) << status;
}

TEST_F(SessionTest, RaisesReadAheadAsRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may raise the read-ahead window";
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  const auto entry = FindMount(mount.path());
  ASSERT_TRUE(entry.ok() && entry->has_value());
  const std::string path = "/sys/class/bdi/0:" + std::to_string((*entry)->device_minor) + "/read_ahead_kb";
  if (::access(path.c_str(), W_OK) != 0) GTEST_SKIP() << path << " cannot be written here";
  int kib = 0;
  EXPECT_TRUE(WaitUntil([&] {
    std::ifstream(path) >> kib;
    return kib >= 1024;
  })) << kib;
}

}  // namespace
}  // namespace shardfs
