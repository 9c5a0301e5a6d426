// F10, at every step instead of at random: in which order what a run writes is named and brought to the disk, that a
// run is never called complete when that fails, and that one which ends at any of these calls is gone on with. A
// program of its own: the system calls are wrapped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "materialize/resume_fixture.h"

namespace shardfs {
namespace {

constexpr int kKilled = 9;

std::vector<std::string> calls;  // "rename NAME" by the new name, "sync NAME" of a file, "sync all", "remove NAME",
                                 // "append NAME" of what is written to it, "make NAME" of a directory
std::string failing;             // the call that fails with EIO
bool in_memory = false;          // what the file system says of itself
int calls_left = -1;             // before the process ends as by kill -9; negative: it does not

// 0, or -1 where this call is to fail.
int Note(const std::string& call) {
  if (calls_left >= 0 && calls_left-- == 0) ::_exit(kKilled);
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
extern "C" int __real_mkdirat(int directory, const char* name, mode_t mode);
extern "C" ssize_t __real_write(int fd, const void* bytes, std::size_t count);

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
  if (shardfs::Note(std::string("remove ") + name) != 0) return -1;
  return __real_unlinkat(directory, name, flags);
}
extern "C" int __wrap_mkdirat(int directory, const char* name, mode_t mode) {
  if (shardfs::Note(std::string("make ") + name) != 0) return -1;
  return __real_mkdirat(directory, name, mode);
}
extern "C" ssize_t __wrap_write(int fd, const void* bytes, std::size_t count) {
  const std::string name = shardfs::NameOf(fd);
  const bool done = std::string_view(static_cast<const char*>(bytes), count).find("\"done\"") != std::string_view::npos;
  if (name.starts_with(".shardfs-") && shardfs::Note("append " + name + (done ? " done" : "")) != 0) return -1;
  return __real_write(fd, bytes, count);
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
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class SyncOrder : public ResumeTest {
 protected:
  void SetUp() override {
    calls.clear();
    failing.clear();
    in_memory = false;
  }

  // Of a process that does `work` and nothing else, what it returns.
  static int ExitCodeOf(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // The calls but those of the journal's lines and of making directories.
  static std::vector<std::string> Order() {
    std::vector<std::string> order;
    for (const std::string& call : calls) {
      if (!call.starts_with("append ") && !call.starts_with("make ")) order.push_back(call);
    }
    return order;
  }
};

TEST_F(SyncOrder, F10NothingIsCalledCompleteBeforeItIsOnTheDisk) {
  ASSERT_TRUE(Run().ok());
  const std::vector<std::string> order = Order();
  ASSERT_EQ(order.size(), 10u) << ::testing::PrintToString(calls);
  EXPECT_EQ(order.front(), "rename .shardfs-journal");
  const auto files = order.begin() + 1;
  EXPECT_THAT(std::vector<std::string>(files, files + 3), UnorderedElementsAre("rename a", "rename d/b", "rename d/c"));
  EXPECT_THAT(std::vector<std::string>(files + 3, order.end()),
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

// Its next run would not know it for complete: so it is not called kept.
TEST_F(SyncOrder, F8AFileThatTheJournalCannotTakeIsNotAmongTheKept) {
  failing = "append .shardfs-journal done";
  const auto failed = Run();
  EXPECT_EQ(failed.status().code(), StatusCode::kIoError);
  EXPECT_THAT(calls, Contains("rename a"));
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("what it wrote was removed"));
  EXPECT_FALSE(fs::exists(out_));
}

// Each run in a process of its own, which ends before its first call, its second and so on, until one comes to its end;
// so that this one never starts a thread, which a process that it forks would lack.
TEST_F(SyncOrder, F10ARunThatEndsAtAnyCallIsGoneOnWith) {
  int ended = 0;
  for (bool finished = false; !finished; ++ended) {
    SCOPED_TRACE("after " + std::to_string(ended) + " calls");
    ASSERT_LT(ended, 200);
    fs::remove_all(out_);
    const int code = ExitCodeOf([this, ended] {
      calls_left = ended;
      return Run().ok() ? 0 : 1;
    });
    finished = code == 0;
    ASSERT_TRUE(finished || code == kKilled) << code;
    const bool complete = fs::exists(out_ + "/.shardfs-complete");
    EXPECT_TRUE(complete || !finished);
    ASSERT_EQ(ExitCodeOf([this, complete] {
                const auto summary = Run();
                EXPECT_TRUE(summary.ok()) << summary.status();
                EXPECT_TRUE(!summary.ok() || !complete || summary->kept_files == 3u);
                ExpectComplete();
                return HasFailure() ? 1 : 0;
              }),
              0);
  }
  EXPECT_GT(ended, 20);
}

}  // namespace
}  // namespace shardfs
