// The daemon is killed: its readers are let go at once, and the mount point can be had back.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/fault_mount.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;

class DeathFaults : public MountFaults {
 protected:
  // Mounts, and kills the daemon.
  void MountAndKill() const {
    Mount();
    ASSERT_EQ(Daemons().size(), 1u);
    ::kill(Daemons().front(), SIGKILL);
    ASSERT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
  }

  void ExpectThatItMountsAgain() const {
    EXPECT_FALSE(IsMounted(point_));
    Mount();
    EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").bytes, ReadTextOf(source_ + "/tokenizer.json"));
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  }
};

// Reads a file that is not in the page cache; the error.
int ReadOnce(const std::string& path) { return ReadPastTheCache(path).error; }

// Maps the file and touches its first page: ends by SIGBUS when that page cannot be had.
int TouchMapping(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* const mapping = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) return 1;
  return *static_cast<const volatile char*>(mapping) == '\0' ? 2 : 3;
}

TEST_F(DeathFaults, F11_KilledDaemonReleasesReadersInReadAndInAPageFault) {
  Mount();
  const pid_t daemon = Daemons().at(0);
  // Names looked up and attributes known, so that the readers get as far as their reads.
  for (const char* file : {"/config.json", "/tokenizer.json"}) {
    struct stat ignored {};
    ASSERT_EQ(::stat((point_ + file).c_str(), &ignored), 0);
  }
  std::vector<Child> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      const int fd = ::open((point_ + "/config.json").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
      ::raise(SIGSTOP);
      char buffer[512];
      return ::pread(fd, buffer, sizeof buffer, 0) < 0 ? errno : 0;
    });
    readers.emplace_back([&] {
      ::signal(SIGBUS, SIG_DFL);  // a sanitizer would make an exit of it
      const int fd = ::open((point_ + "/tokenizer.json").c_str(), O_RDONLY | O_CLOEXEC);
      const void* const mapping = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
      ::raise(SIGSTOP);
      return *static_cast<const volatile char*>(mapping) == '\0' ? 2 : 3;
    });
  }
  for (const Child& reader : readers) reader.AwaitStop();
  StopAndWait(daemon);
  for (const Child& reader : readers) reader.Signal(SIGCONT);
  for (const Child& reader : readers) EXPECT_TRUE(WaitUntil([&] { return IsWaiting(reader.pid()); }));

  ::kill(daemon, SIGKILL);
  for (std::size_t i = 0; i < readers.size(); ++i) {
    ASSERT_TRUE(readers[i].EndsWithin(kPromptly)) << "reader " << i << " is still waiting";
    const int status = readers[i].Status();
    if (i % 2 == 0) {  // ECONNABORTED for a request that was on its way
      ASSERT_TRUE(WIFEXITED(status));
      EXPECT_THAT(WEXITSTATUS(status), ::testing::AnyOf(ENOTCONN, ECONNABORTED));
    } else {
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) << status;
    }
  }
  EXPECT_EQ(ReadOnce(point_ + "/config.json"), ENOTCONN);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  ExpectThatItMountsAgain();
}

TEST_F(DeathFaults, F11_AMountOnADeadOneIsRefusedWithTheWayOut) {
  MountAndKill();
  const ProgramResult again = RunShardfs(MountArguments());
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("a dead one: its daemon has ended; run `shardfs umount " + point_ + "`"));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  ExpectThatItMountsAgain();
}

TEST_F(DeathFaults, F11_TheSystemsUmountRecoversADeadMountAsWell) {
  MountAndKill();
  Child holder([&] { return TouchMapping(point_ + "/config.json"); });
  EXPECT_TRUE(holder.EndsWithin(kPromptly));
  const ProgramResult umount = RunScript("umount -l \"$1\"", {point_});
  EXPECT_EQ(umount.exit_code, 0) << umount.out;
  ExpectThatItMountsAgain();
}

}  // namespace
}  // namespace shardfs
