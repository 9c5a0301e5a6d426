// A mount that a privileged process makes and a server without privileges is handed (--fuse-fd).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "base/mount_table.h"
#include "faults/fault_mount.h"
#include "fuse/fuse_available.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uid_t kUnprivileged = 65534;

class HandedMount : public MountFaults {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root is the privileged half";
    MountFaults::SetUp();
    program_ = directory_.path() / "shardfs";
    fs::copy(SHARDFS_EXECUTABLE, program_);
    ASSERT_EQ(RunScript("chmod -R a+rX \"$1\"; chmod a+rx \"$2\"; : > \"$3\"; chmod 666 \"$3\"",
                        {directory_.path(), program_, log_})
                  .exit_code,
              0);
  }

  // What a privileged half does: opens /dev/fuse and mounts it.
  FileDescriptor OpenAndMount(const char* type = "fuse.shardfs", const char* more = ",default_permissions") const {
    FileDescriptor device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    const std::string data =
        "fd=" + std::to_string(device.get()) + ",rootmode=40000,user_id=0,group_id=0,allow_other" + more;
    EXPECT_EQ(::mount("shardfs", point_.c_str(), type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, data.c_str()), 0);
    return device;
  }

  // The unprivileged half's surroundings: no /dev/fuse, no mount on the point, no capability, another user.
  static bool GiveUpEverything(const std::optional<std::string>& hidden_point) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    if (::mount("/dev/null", "/dev/fuse", nullptr, MS_BIND, nullptr) != 0) return false;
    if (hidden_point && ::umount2(hidden_point->c_str(), MNT_DETACH) != 0) return false;
    return ::setgroups(0, nullptr) == 0 && ::setresgid(kUnprivileged, kUnprivileged, kUnprivileged) == 0 &&
           ::setresuid(kUnprivileged, kUnprivileged, kUnprivileged) == 0;
  }

  // Runs shardfs mount as the unprivileged half, with `device` as its descriptor 7; returns the process, whose output
  // goes to the log.
  Child Serve(const FileDescriptor& device, std::vector<std::string> words, bool sees_the_mount = false) const {
    words.insert(words.begin(), program_);
    return Child([this, &device, words, sees_the_mount]() mutable {
      const int log = ::open(log_.c_str(), O_WRONLY | O_APPEND);
      if (!GiveUpEverything(sees_the_mount ? std::nullopt : std::optional(point_))) return 96;
      if (::dup2(log, STDERR_FILENO) < 0 || ::dup2(device.get(), kNumber) < 0) return 97;
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      return 98;
    });
  }

  std::vector<std::string> HandedArguments(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--fuse-fd", std::to_string(kNumber)});
    return MountArguments(std::move(more));
  }

  static int ExitCodeOf(Child& child) {
    EXPECT_TRUE(child.EndsWithin(kPromptly));
    return WIFEXITED(child.Status()) ? WEXITSTATUS(child.Status()) : -1;
  }

  void ExpectRefused(const FileDescriptor& device, const std::vector<std::string>& words, const char* named) const {
    std::ofstream(log_).close();
    Child child = Serve(device, words, true);
    EXPECT_EQ(ExitCodeOf(child), 2);
    EXPECT_THAT(Log(), AllOf(StartsWith("shardfs: "), HasSubstr(named)));
  }

  static constexpr int kNumber = 7;
  std::string program_;
};

TEST_F(HandedMount, IsServedByAUserWithoutFuseAndCapabilities) {
  const auto expected = ExpectedFiles();
  FileDescriptor device = OpenAndMount();
  Child child = Serve(device, HandedArguments());
  device = FileDescriptor();
  ASSERT_EQ(ExitCodeOf(child), 0) << Log();
  const std::vector<pid_t> daemons = Daemons();
  ASSERT_EQ(daemons.size(), 1u);
  const std::string status = ReadTextOf("/proc/" + std::to_string(daemons[0]) + "/status");
  EXPECT_THAT(status, HasSubstr("Uid:\t65534\t65534\t65534\t65534\n"));
  EXPECT_THAT(status, HasSubstr("CapPrm:\t0000000000000000\n"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
  for (const auto& [path, bytes] : expected) {
    EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
  }
  const ProgramResult healthy = RunShardfs({"status", point_});
  EXPECT_EQ(healthy.exit_code, 0) << healthy.err;
  EXPECT_THAT(healthy.out, StartsWith(point_ + ": healthy\n"));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); })) << "it ends with its mount";
  EXPECT_THAT(Log(), HasSubstr("unmounted " + point_));
}

TEST_F(HandedMount, TheServerThatEndsFirstSaysThatItLeavesTheMount) {
  FileDescriptor device = OpenAndMount();
  Child child = Serve(device, HandedArguments({"--foreground"}), true);
  device = FileDescriptor();
  ASSERT_TRUE(WaitUntil([this] { return Log().find("serving ") != std::string::npos; })) << Log();
  EXPECT_FALSE(ReadTextOf(point_ + "/config.json").empty());
  child.Signal(SIGTERM);
  EXPECT_EQ(ExitCodeOf(child), 0);
  EXPECT_THAT(Log(), AllOf(HasSubstr("stopped serving " + point_),
                           HasSubstr(point_ + " is still mounted and dead, because this process did not mount it")));
  EXPECT_EQ(RunShardfs({"status", point_}).exit_code, 7);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_FALSE(IsMounted(point_));
}

// Looking at a mount that nothing serves yet waits for ever, so the server must not do it before it serves.
TEST_F(HandedMount, NothingOfTheMountIsTouchedBeforeItIsServed) {
  FileDescriptor device = OpenAndMount();
  ExpectRefused(device, {"mount", point_ + "/source", point_, "--fuse-fd", "7"}, "is inside the mount on");
  ExpectRefused(device, {"mount", directory_.path(), point_, "--fuse-fd", "7"}, "is inside the source");
  std::vector<std::string> words = HandedArguments();
  *(std::find(words.begin(), words.end(), "--log-file") + 1) = point_ + "/log";
  ExpectRefused(device, words, "is inside the mountpoint");
  EXPECT_EQ(::umount2(point_.c_str(), MNT_DETACH), 0);
}

TEST_F(HandedMount, WhatIsNoMountIsRefused) {
  const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  FileDescriptor unmounted(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  ExpectRefused(null, HandedArguments(), "that descriptor is not /dev/fuse");
  ExpectRefused(unmounted, HandedArguments(), "nothing is mounted with this /dev/fuse");
  ExpectRefused(null, MountArguments({"--fuse-fd", "8"}), "no such descriptor is open");
  ExpectRefused(null, MountArguments({"--fuse-fd", "2"}), "are the standard streams");
  const FileDescriptor mounted = OpenAndMount();
  ExpectRefused(mounted, HandedArguments({"--run-as", "1001:1001"}), "start this process as that user");
  ExpectRefused(mounted, HandedArguments({"--context", "system_u:object_r:nfs_t:s0"}), "gives the label to mount(2)");
  ExpectRefused(mounted, {"mount", source_, "/dev/fd/6", "--fuse-fd", "7"}, "name two descriptors");
  EXPECT_EQ(::umount2(point_.c_str(), MNT_DETACH), 0);
  ExpectRefused(mounted, HandedArguments(), "nothing is mounted with this /dev/fuse, or not any more");
}

TEST_F(HandedMount, WarnsOfAMountThatTheOtherHalfHasMadeWrong) {
  FileDescriptor device = OpenAndMount("fuse", "");
  Child child = Serve(device, HandedArguments(), true);
  device = FileDescriptor();
  ASSERT_EQ(ExitCodeOf(child), 0) << Log();
  EXPECT_THAT(Log(), AllOf(HasSubstr("is mounted as type fuse, so `shardfs status`"),
                           HasSubstr("without default_permissions")));
  for (const pid_t daemon : Daemons()) ::kill(daemon, SIGTERM);  // its own mount namespace still has the mount
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
  EXPECT_EQ(::umount2(point_.c_str(), 0), 0);
}

// The helper of libfuse is such a privileged half. It knows no path to hand on, only /dev/fd/N.
TEST_F(HandedMount, IsServedBehindMountFuse3) {
  if (!fs::exists("/sbin/mount.fuse3")) GTEST_SKIP() << "mount.fuse3 is not installed";
  const ProgramResult mounted = RunScript(
      "PATH=\"$1:$PATH\" timeout 60 mount.fuse3 \"shardfs#$2\" \"$3\" -o drop_privileges,default_permissions,"
      "allow_other,dp=2,tp=2,moe_tp=2,moe_ep=2,mtp,uid=0,gid=0",
      {directory_.path(), source_, point_});
  ASSERT_EQ(mounted.exit_code, 0) << mounted.out;
  EXPECT_EQ(ReadTextOf(point_ + "/config.json"), ExpectedFiles().at("config.json"));
  EXPECT_EQ(RunShardfs({"status", point_}).exit_code, 0);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
}

}  // namespace
}  // namespace shardfs
