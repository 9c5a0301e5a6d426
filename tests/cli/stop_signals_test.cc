#include "service/stop_signals.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

// As a file on a server that does not answer any more. A byte in `asked_fd` says that it was asked.
class HangingFile final : public VirtualFile {
 public:
  explicit HangingFile(int asked_fd) : asked_fd_(asked_fd) {}
  FileKind kind() const override { return FileKind::kPassthrough; }
  std::uint64_t size() const override { return 4096; }
  Status ReadAt(std::uint64_t, std::span<std::byte>) const override {
    (void)!::write(asked_fd_, "A", 1);
    for (;;) ::pause();
  }
  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>&) const override {}

 private:
  int asked_fd_;
};

// Serves a HangingFile until a signal comes; the exit code of the process that runs it.
int ServeHangingFile(const std::string& mount_point, int ready_fd) {
  StopSignals signals;
  VirtualTreeBuilder builder;
  if (!builder.AddFile("hanging", RankSet::All(1), std::make_unique<HangingFile>(ready_fd)).ok()) return 70;
  FuseOptions options;
  options.on_ready = [ready_fd] { (void)!::write(ready_fd, "R", 1); };
  const auto session = FuseSession::Create(std::move(builder).Build(), options);
  if (!session.ok()) return 71;
  signals.Attach(**session, mount_point);
  if (!(*session)->Mount(mount_point).ok()) return 72;
  const bool ok = (*session)->Run().ok();
  signals.Detach();
  return ok ? 0 : 73;
}

class StopSignalsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe2(ready_, O_CLOEXEC), 0); }
  void TearDown() override {
    for (const int fd : ready_) ::close(fd);
  }

  // The exit code of a child that gets SIGTERM once it has written a byte to ready_[1].
  int Terminate(pid_t child) const {
    int wait_status = 0;
    ::kill(child, SIGTERM);
    ::waitpid(child, &wait_status, 0);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
  }

  void WaitUntilReady() const {
    char byte = 0;
    ASSERT_EQ(::read(ready_[0], &byte, 1), 1);
  }

  int ready_[2] = {-1, -1};
};

TEST_F(StopSignalsTest, WithoutASessionTheProcessEndsAtOnce) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const StopSignals signals;
    (void)!::write(ready_[1], "R", 1);
    for (;;) ::pause();
  }
  WaitUntilReady();
  EXPECT_EQ(Terminate(child), 1);
}

TEST_F(StopSignalsTest, AHangingSourceDoesNotKeepTheMount) {
  SHARDFS_REQUIRE_FUSE();
  const MountableDirectory directory;
  const std::string point = directory.MakeDirectory("mount");
  const pid_t server = ::fork();
  ASSERT_GE(server, 0);
  if (server == 0) ::_exit(ServeHangingFile(point, ready_[1]));
  WaitUntilReady();
  std::thread reader([&point] {
    char byte = 0;
    const FileDescriptor file(::open((point + "/hanging").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_LT(::read(file.get(), &byte, 1), 0);
  });
  WaitUntilReady();  // once more, by the file
  EXPECT_EQ(Terminate(server), 1);
  const auto entry = FindMount(point);
  EXPECT_TRUE(entry.ok() && !entry->has_value());
  reader.join();
}

}  // namespace
}  // namespace shardfs
