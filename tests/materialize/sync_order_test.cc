// F10, for a power failure instead of a kill: in which order what a run writes is named and brought to the disk, and
// that a run is never called complete when that fails. A program of its own: the system calls are wrapped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "materialize/resume_fixture.h"

namespace shardfs {
namespace {

std::vector<std::string> calls;  // "rename NAME" by the new name, "sync NAME" of a file, "sync all", "remove NAME"
std::string failing;             // the call that fails with EIO
bool in_memory = false;          // what the file system says of itself

// 0, or -1 where this call is to fail.
int Note(const std::string& call) {
  calls.push_back(call);
  if (call != failing) return 0;
  errno = EIO;
  return -1;
}

std::string NameOf(int fd) {
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).filename().string();
}

}  // namespace
}  // namespace shardfs

extern "C" int __real_syncfs(int fd);
extern "C" int __real_fsync(int fd);
extern "C" int __real_renameat(int from, const char* old_name, int to, const char* new_name);
extern "C" int __real_renameat2(int from, const char* old_name, int to, const char* new_name, unsigned flags);
extern "C" int __real_unlinkat(int directory, const char* name, int flags);
extern "C" int __real_fstatfs64(int fd, struct statfs* filesystem);

extern "C" int __wrap_syncfs(int fd) { return shardfs::Note("sync all") != 0 ? -1 : __real_syncfs(fd); }
extern "C" int __wrap_fsync(int fd) {
  return shardfs::Note("sync " + shardfs::NameOf(fd)) != 0 ? -1 : __real_fsync(fd);
}
extern "C" int __wrap_renameat(int from, const char* old_name, int to, const char* new_name) {
  if (shardfs::Note(std::string("rename ") + new_name) != 0) return -1;
  return __real_renameat(from, old_name, to, new_name);
}
extern "C" int __wrap_renameat2(int from, const char* old_name, int to, const char* new_name, unsigned flags) {
  if (shardfs::Note(std::string("rename ") + new_name) != 0) return -1;
  return __real_renameat2(from, old_name, to, new_name, flags);
}
extern "C" int __wrap_unlinkat(int directory, const char* name, int flags) {
  shardfs::calls.push_back(std::string("remove ") + name);
  return __real_unlinkat(directory, name, flags);
}
extern "C" int __wrap_fstatfs64(int fd, struct statfs* filesystem) {
  const int result = __real_fstatfs64(fd, filesystem);
  filesystem->f_type = shardfs::in_memory ? TMPFS_MAGIC : EXT4_SUPER_MAGIC;
  return result;
}

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class SyncOrder : public ResumeTest {
 protected:
  void SetUp() override {
    calls.clear();
    failing.clear();
    in_memory = false;
  }
};

TEST_F(SyncOrder, F10NothingIsCalledCompleteBeforeItIsOnTheDisk) {
  ASSERT_TRUE(Run().ok());
  ASSERT_EQ(calls.front(), "rename .shardfs-journal");
  ASSERT_EQ(calls.size(), 10u) << ::testing::PrintToString(calls);
  const auto files = calls.begin() + 1;
  EXPECT_THAT(std::vector<std::string>(files, files + 3), UnorderedElementsAre("rename a", "rename d/b", "rename d/c"));
  EXPECT_THAT(std::vector<std::string>(files + 3, calls.end()),
              ElementsAre("sync all", "sync .shardfs-manifest.json.tmp", "rename .shardfs-manifest.json",
                          "sync .shardfs-complete.tmp", "rename .shardfs-complete", "remove .shardfs-journal"));
}

TEST_F(SyncOrder, F10MemoryNeedsNoDisk) {
  in_memory = true;
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(calls, Not(Contains("sync all")));
}

TEST_F(SyncOrder, F10ARunWhoseBytesDoNotReachTheDiskIsNotComplete) {
  for (const char* call : {"sync all", "sync .shardfs-manifest.json.tmp", "rename .shardfs-manifest.json",
                           "sync .shardfs-complete.tmp", "rename .shardfs-complete", "rename d/b"}) {
    fs::remove_all(out_);
    failing = call;
    const auto failed = Run();
    EXPECT_EQ(failed.status().code(), StatusCode::kIoError) << call << ": " << failed.status();
    EXPECT_THAT(calls, Contains(call));
    EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete")) << call;
    EXPECT_TRUE(fs::exists(out_ + "/.shardfs-journal")) << call;
    failing.clear();
    const auto summary = Run();
    ASSERT_TRUE(summary.ok()) << call << ": " << summary.status();
    EXPECT_GT(summary->kept_files, 0u) << call;
    ExpectComplete();
    calls.clear();
  }
}

}  // namespace
}  // namespace shardfs
