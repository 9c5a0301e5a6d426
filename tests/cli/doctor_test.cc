#include "doctor/doctor.h"
#include "layout/mindie/check/probe_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uid_t kOperator = 1000;

// A machine on which everything is as it should be, to break things on. /dev/fuse is a link to a device that anybody
// may open.
class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    for (const char* folder : {"/dev", "/etc", "/usr/bin", "/proc/self", "/proc/sys/kernel", "/sys/class/bdi",
                               "/sys/kernel/mm/transparent_hugepage", "/sys/fs/cgroup"}) {
      fs::create_directories(machine_ + folder);
    }
    fs::create_symlink("/dev/null", machine_ + "/dev/fuse");
    Put("/dev/log", "");
    Put("/etc/fuse.conf", "# options\nuser_allow_other\n");
    Put("/usr/bin/fusermount3", "");
    ::chmod((machine_ + "/usr/bin/fusermount3").c_str(), 04755);
    Put("/proc/sys/kernel/osrelease", "6.1.0-21-amd64\n");
    Put("/proc/self/status", "Name:\tshardfs\nNoNewPrivs:\t0\nCapEff:\t000001ffffffffff\n");
    Put("/proc/self/limits", Limits("1048576"));
    Put("/proc/meminfo", "MemTotal: 1073741824 kB\nMemAvailable: 1048576000 kB\n");
    Put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    Put("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n");
    Put("/proc/self/mountinfo", Mounts("within_size"));
    fs::create_directory(mount_point_);
    system_.root = machine_;
    struct stat device {};
    ::stat("/dev/null", &device);
    system_.fuse_device = device.st_rdev;
    system_.has_user = [this](uid_t user) { return user != stranger_; };
    system_.administrator = ::geteuid();
    system_.room = [this](const std::string&) -> Result<Room> {
      return Room{800'000'000'000, free_, 1'000'000, free_inodes_};
    };
    task_.mount_point = mount_point_;
    task_.source = GoldenCase() + "/source";
    task_.source_files = 164;
    task_.source_bytes = 700'000'000'000;
    task_.node_bytes = 360'000'000'000;
    task_.node_inodes = 100;
  }

  void Put(const std::string& path, const std::string& content) { WriteFile(machine_ + path, content); }
  void Remove(const std::string& path) { fs::remove_all(machine_ + path); }

  static std::string Limits(const std::string& hard) {
    return "Limit                     Soft Limit           Hard Limit           Units\n"
           "Max open files            1024                 " +
           hard + "              files\n";
  }

  static std::string Mounts(const std::string& huge, const std::string& sys = "rw", const std::string& data = "ext4") {
    return "20 1 8:1 / / rw,relatime - " + data + " /dev/sda1 rw\n21 20 0:20 / /sys " + sys +
           ",nosuid - sysfs sysfs rw\n22 20 0:21 / /dev/shm rw,nosuid - tmpfs tmpfs rw,size=800000000k,huge=" + huge +
           "\n";
  }

  std::vector<Finding> ExamineAs(uid_t user) {
    system_.user = user;
    return Examine(system_, task_);
  }

  // What is not ok, which must be one thing, of this subject, with a remedy that holds `typed`.
  void ExpectFound(uid_t user, const std::string& subject, Finding::Level level, const std::string& typed) {
    std::vector<Finding> found;
    for (Finding& finding : ExamineAs(user)) {
      const bool expected = user != 0 && finding.subject == "read-ahead";  // only root raises it
      if (finding.level != Finding::Level::kOk && (!expected || subject == "read-ahead")) found.push_back(finding);
    }
    ASSERT_EQ(found.size(), 1u) << FormatFindings(found);
    EXPECT_EQ(found[0].subject, subject);
    EXPECT_EQ(found[0].level, level) << FormatFindings(found);
    EXPECT_THAT(found[0].remedy, HasSubstr(typed));
    EXPECT_NE(found[0].message, "");
  }

  static constexpr auto kWrong = Finding::Level::kWrong;
  static constexpr auto kAdvice = Finding::Level::kAdvice;

  TemporaryDirectory root_;
  const std::string machine_ = root_ / "machine";
  const std::string mount_point_ = root_ / "view";
  std::uint64_t free_ = 790'000'000'000;
  std::uint64_t free_inodes_ = 900'000;
  uid_t stranger_ = 4711;  // without an entry in /etc/passwd
  DoctorSystem system_;
  DoctorTask task_;
};

TEST_F(DoctorTest, AMachineInOrderIsInOrder) {
  for (const Finding& finding : ExamineAs(0)) {
    EXPECT_EQ(finding.level, Finding::Level::kOk) << finding.subject << ": " << finding.message;
    EXPECT_EQ(finding.remedy, "");
  }
  ExpectFound(kOperator, "read-ahead", kAdvice, "/sys/class/bdi/");
}

TEST_F(DoctorTest, NoDevice) {
  Remove("/dev/fuse");
  ExpectFound(0, "/dev/fuse", kWrong, "modprobe fuse");
}

TEST_F(DoctorTest, AFileInPlaceOfTheDevice) {
  Remove("/dev/fuse");
  Put("/dev/fuse", "");
  ExpectFound(0, "/dev/fuse", kWrong, "mknod -m 0666 /dev/fuse c 10 229");
}

TEST_F(DoctorTest, AnotherDeviceOfThatName) {
  Remove("/dev/fuse");
  fs::create_symlink("/dev/zero", machine_ + "/dev/fuse");
  ExpectFound(0, "/dev/fuse", kWrong, "mknod -m 0666 /dev/fuse c 10 229");
  EXPECT_THAT(FormatFindings(ExamineAs(0)), HasSubstr("/dev/fuse: is the device 1:5, and that of FUSE is 1:3"));
  EXPECT_EQ(DoctorSystem().fuse_device, makedev(10, 229));
}

TEST_F(DoctorTest, UsersWithoutAPasswdEntry) {
  ::chmod(root_.path().c_str(), 0755);  // so that any user may pass
  stranger_ = kOperator;
  task_.engine_user = kOperator;
  ExpectFound(kOperator, "user", kWrong, "echo shardfs:x:1000:1000::/:/usr/sbin/nologin >> /etc/passwd");
  ExpectFound(0, "user", kAdvice, "--uid");
  EXPECT_TRUE(HasPasswdEntry(0));
  EXPECT_FALSE(HasPasswdEntry(4'000'000'123));
}

TEST_F(DoctorTest, AsManyMountsAsUsersMayMake) {
  std::string mounts = Mounts("within_size");
  for (const char* type : {"fuse.sshfs", "fuse", "fuseblk", "fusectl"}) {
    mounts += std::string("40 20 0:90 / /mnt/") + type + " rw - " + type + " x rw\n";
  }
  Put("/proc/self/mountinfo", mounts);
  for (const char* line : {"mount_max = 2\n", "mount_max=2\n", "mount_max =1"}) {
    Put("/etc/fuse.conf", std::string("user_allow_other\n#mount_max = 1\n") + line);
    ExpectFound(kOperator, "mount_max", kWrong, "echo mount_max = ");
    EXPECT_FALSE(AnyWrong(ExamineAs(0))) << "root is not bound";
  }
  for (const char* line : {"mount_max = 3\n", "mount_max = -1\n", ""}) {
    Put("/etc/fuse.conf", std::string("user_allow_other\n") + line);
    EXPECT_FALSE(AnyWrong(ExamineAs(kOperator))) << line;
  }
}

TEST_F(DoctorTest, RootWithoutTheCapability) {
  Put("/proc/self/status", "CapEff:\t00000000a80425fb\n");
  ExpectFound(0, "privileges", kWrong, "--cap-add SYS_ADMIN");
  EXPECT_EQ(AnyWrong(ExamineAs(kOperator)), false) << "who is not root mounts through fusermount3";
}

TEST_F(DoctorTest, NoNewPrivileges) {
  Put("/proc/self/status", "NoNewPrivs:\t1\nCapEff:\t0000000000000000\n");
  ExpectFound(kOperator, "privileges", kWrong, "NoNewPrivileges");
}

TEST_F(DoctorTest, FusermountWithoutSetUid) {
  ::chmod((machine_ + "/usr/bin/fusermount3").c_str(), 0755);
  ExpectFound(kOperator, "fusermount3", kWrong, "chmod u+s /usr/bin/fusermount3");
  ExpectFound(0, "fusermount3", kAdvice, "chmod u+s");
}

TEST_F(DoctorTest, NoFusermount) {
  Remove("/usr/bin/fusermount3");
  Put("/etc/os-release", "ID=debian\n");
  ExpectFound(kOperator, "fusermount3", kWrong, "apt-get install fuse3");
  Put("/etc/os-release", "ID=\"openEuler\"\n");
  ExpectFound(kOperator, "fusermount3", kWrong, "dnf install fuse3");
  ExpectFound(0, "fusermount3", kAdvice, "dnf install fuse3");
}

TEST_F(DoctorTest, TheFusermountOfFuse2Serves) {
  Remove("/usr/bin/fusermount3");
  Put("/usr/bin/fusermount", "");
  ExpectFound(kOperator, "fusermount3", kWrong, "chmod u+s /usr/bin/fusermount");
  ::chmod((machine_ + "/usr/bin/fusermount").c_str(), 04755);
  EXPECT_FALSE(AnyWrong(ExamineAs(kOperator)));
}

TEST_F(DoctorTest, OtherUsersAreNotAllowed) {
  Put("/etc/fuse.conf", "#user_allow_other\n");
  ExpectFound(kOperator, "user_allow_other", kWrong, "echo user_allow_other >> /etc/fuse.conf");
  task_.engine_user = kOperator;
  const std::vector<Finding> findings = ExamineAs(kOperator);
  EXPECT_THAT(FormatFindings(findings), HasSubstr("advice  user_allow_other"));
}

TEST_F(DoctorTest, OldKernels) {
  Put("/proc/sys/kernel/osrelease", "4.19.90-vhulk.aarch64\n");
  ExpectFound(0, "kernel", kAdvice, "4.20");
  Put("/proc/sys/kernel/osrelease", "3.10.0-1160.el7\n");
  ExpectFound(0, "kernel", kWrong, "4.20");
}

TEST_F(DoctorTest, ReadAheadThatCannotBeRaised) {
  Put("/proc/self/mountinfo", Mounts("within_size", "ro"));
  ExpectFound(0, "read-ahead", kAdvice, "echo 4096 > /sys/class/bdi/");
}

TEST_F(DoctorTest, ReadAheadOfAMount) {
  const std::string mounts =
      Mounts("within_size") + "30 20 0:77 / " + mount_point_ + " ro - fuse.shardfs /models/r1 ro\n";
  Put("/proc/self/mountinfo", mounts);
  fs::create_directories(machine_ + "/sys/class/bdi/0:77");
  Put("/sys/class/bdi/0:77/read_ahead_kb", "128\n");
  ExpectFound(kOperator, "read-ahead", kAdvice, "echo 4096 > /sys/class/bdi/0:77/read_ahead_kb");
  Put("/sys/class/bdi/0:77/read_ahead_kb", "4096\n");
  EXPECT_THAT(FormatFindings(ExamineAs(kOperator)), HasSubstr("ok      read-ahead: 4096 KiB"));
  EXPECT_THAT(FormatFindings(ExamineAs(kOperator)), HasSubstr("shows '/models/r1'"));
}

TEST_F(DoctorTest, NobodyListensToTheLog) {
  Remove("/dev/log");
  ExpectFound(0, "log", kAdvice, "--log-file");
}

TEST_F(DoctorTest, TmpfsTooSmall) {
  free_ = 100'000'000'000;
  ExpectFound(0, "tmpfs /dev/shm", kAdvice, "mount -o remount,size=989G /dev/shm");
  task_.mount_point = "/dev/shm/r1";
  const std::vector<Finding> findings = ExamineAs(0);
  EXPECT_THAT(FormatFindings(findings), HasSubstr("WRONG   tmpfs /dev/shm")) << "asked to materialize there";
}

TEST_F(DoctorTest, NoTmpfsIsMadeLargerThanTheMemory) {
  free_ = 100'000'000'000;
  task_.node_bytes = 990'000'000'000;  // with what is in it already: more than MemTotal
  ExpectFound(0, "tmpfs /dev/shm", kAdvice, "--nnodes");
  Put("/proc/meminfo", "MemTotal: 1073741824 kB\nMemAvailable: 104857600 kB\n");
  task_.node_bytes = 360'000'000'000;
  EXPECT_THAT(FormatFindings(ExamineAs(0)), Not(HasSubstr("remount,size="))) << "less is available";
}

TEST_F(DoctorTest, TooFewInodes) {
  free_inodes_ = 99;
  ExpectFound(0, "inodes", kAdvice, "mount -o remount,nr_inodes=1000100 /dev/shm");
  task_.mount_point = "/dev/shm/r1";
  EXPECT_THAT(FormatFindings(ExamineAs(0)), HasSubstr("WRONG   inodes: 99 of 1000000 are free in /dev/shm"));
  system_.room = [](const std::string&) -> Result<Room> { return Room{800'000'000'000, 700'000'000'000}; };
  EXPECT_THAT(FormatFindings(ExamineAs(0)), HasSubstr("ok      inodes: /dev/shm has no limit"));
}

TEST_F(DoctorTest, NoTmpfs) {
  Put("/proc/self/mountinfo", "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n");
  EXPECT_THAT(FormatFindings(ExamineAs(0)), HasSubstr("mount -t tmpfs"));
}

TEST_F(DoctorTest, TmpfsWithoutHugePages) {
  Put("/proc/self/mountinfo", Mounts("never"));
  ExpectFound(0, "huge pages", kAdvice, "mount -o remount,huge=within_size /dev/shm");
}

TEST_F(DoctorTest, HugePagesDenied) {
  Put("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise never [deny] force\n");
  ExpectFound(0, "huge pages", kAdvice, "shmem_enabled");
}

TEST_F(DoctorTest, TooLittleMemory) {
  Put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
  ExpectFound(0, "memory", kAdvice, "--nnodes");
}

TEST_F(DoctorTest, AControlGroupThatAllowsTooLittle) {
  Put("/proc/self/cgroup", "0::/\n");
  Put("/sys/fs/cgroup/memory.max", "64000000000\n");
  Put("/sys/fs/cgroup/memory.current", "1000000\n");
  ExpectFound(0, "memory", kAdvice, "raise the limit");
}

TEST_F(DoctorTest, Swap) {
  Put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sdb1 partition 8388604 0 -2\n");
  ExpectFound(0, "swap", kAdvice, "swapoff");
}

TEST_F(DoctorTest, TooFewOpenFiles) {
  Put("/proc/self/limits", Limits("128"));
  ExpectFound(0, "open files", kWrong, "ulimit -Hn 196");
  Put("/proc/self/limits", Limits("unlimited"));
  EXPECT_FALSE(AnyWrong(ExamineAs(0)));
}

TEST_F(DoctorTest, MountPointThatIsNotThereOrNotEmpty) {
  fs::remove(mount_point_);
  ExpectFound(0, "mountpoint", kAdvice, "mkdir " + mount_point_);  // materialize creates it
  task_.mount_point = mount_point_ + "/below";
  ExpectFound(0, "mountpoint", kWrong, "mkdir -p " + mount_point_ + "/below");
  task_.mount_point = mount_point_;
  fs::create_directory(mount_point_);
  WriteFile(mount_point_ + "/note", "");
  ExpectFound(0, "mountpoint", kWrong, "give an empty directory");
  WriteFile(mount_point_ + "/.shardfs-journal", "");
  EXPECT_FALSE(AnyWrong(ExamineAs(0))) << "materialize goes on there";
}

TEST_F(DoctorTest, ATmpfsIsAPlaceForMaterialize) {
  Put("/proc/self/mountinfo", Mounts("within_size") + "30 20 0:33 / " + mount_point_ +
                                  " rw - tmpfs shardfs rw,size=800000000k,huge=within_size\n");
  // What the mount table of the machine itself says of it is CheckMountPoint's: here it is an empty directory.
  EXPECT_FALSE(AnyWrong(ExamineAs(0))) << FormatFindings(ExamineAs(0));
  task_.mount_point = mount_point_ + "/weights";
  EXPECT_THAT(FormatFindings(ExamineAs(0)), HasSubstr("ok      mountpoint: " + task_.mount_point + " is not there; "));
}

TEST_F(DoctorTest, AnotherBackend) {
  EXPECT_EQ(ProbeMindieBackend("atb").level, Finding::Level::kOk);
  const Finding wrong = ProbeMindieBackend("torch");
  EXPECT_EQ(wrong.level, Finding::Level::kWrong);
  EXPECT_THAT(wrong.remedy, HasSubstr("\"backendType\": \"atb\""));
  const auto found_in = [this](const std::string& text) {
    WriteFile(root_ / "server.json", text);
    return ProbeMindieBackendOf(root_ / "server.json", "/mnt/r1");
  };
  const std::string torch = R"({"ModelDeployConfig": {"ModelConfig": [{"backendType": "torch"}]}})";
  ASSERT_TRUE(found_in(torch).has_value());
  EXPECT_EQ(found_in(torch)->message, wrong.message.english());
  EXPECT_FALSE(found_in(R"({"ModelDeployConfig": {"ModelConfig": []}})").has_value());
  EXPECT_FALSE(found_in("{").has_value()) << "the plan says what is wrong with it";
  EXPECT_FALSE(ProbeMindieBackendOf("", "/mnt/r1").has_value());
}

TEST_F(DoctorTest, MountPointOfANameThatMindieRefuses) {
  task_.mount_point = root_ / "model+r1";
  fs::create_directory(task_.mount_point);
  ExpectFound(0, "mountpoint", kWrong, "another name");
}

TEST_F(DoctorTest, MountPointThatMindieCannotReach) {
  ::chmod(std::string(root_ / "").c_str(), 0700);
  task_.engine_user = ::geteuid() + 4000;
  ExpectFound(0, "mountpoint", kWrong, "chmod o+x ");
}

TEST_F(DoctorTest, SourceOnANetworkFileSystem) {
  Put("/proc/self/mountinfo", Mounts("within_size", "rw", "nfs4"));
  ExpectFound(0, "source", kAdvice, "--node-rank");
}

TEST_F(DoctorTest, LinesAndJson) {
  const std::vector<Finding> findings = {Ok(Name("a"), Name("fine")),
                                         Wrong(Name("b"), Name("bad\nnews"), Name("type this"))};
  EXPECT_EQ(FormatFindings(findings), "ok      a: fine\nWRONG   b: bad\\x0anews; do: type this\n");
  EXPECT_EQ(FindingsToJson(findings)[1]["level"], "wrong");
  EXPECT_EQ(Verdict({}), "nothing is wrong");
  EXPECT_EQ(Verdict(findings), "1 thing is wrong");
  EXPECT_EQ(Verdict({findings[1], findings[1], Advice(Name("c"), Name("slow"), Name("type that"))}),
            "2 things are wrong, and 1 is advised");
  EXPECT_EQ(OptionValue("rw,size=1k,huge=advise", "huge"), "advise");
  EXPECT_EQ(OptionValue("rw,hugest=1", "huge"), std::nullopt);
}

}  // namespace
}  // namespace shardfs
