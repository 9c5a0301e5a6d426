// shardfs mount, as a user runs it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/processes.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

bool IsMounted(const std::string& path) {
  const auto entry = FindMount(path);
  return entry.ok() && entry->has_value();
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class MountCommandTest : public testing::Test {
 protected:
  std::vector<std::string> Arguments(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), point_);
    return GoldenArguments("mount", more);
  }

  void ExpectRefused(const std::vector<std::string>& arguments, int exit_code, const std::string& named) const {
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_THAT(result.err, AllOf(StartsWith("shardfs: "), HasSubstr(named)));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_FALSE(IsMounted(point_));
  }

  // How many processes have come to the lock of the mount point, which they open the directory for.
  std::ptrdiff_t WaitingForTheLock() const {
    const std::vector<pid_t> processes = ProcessesNaming(point_);
    return std::count_if(processes.begin(), processes.end(), [this](pid_t pid) { return HasOpen(pid, point_); });
  }

  MountableDirectory directory_;
  std::string point_ = directory_.MakeDirectory("mount");
};

TEST_F(MountCommandTest, ShowsTheReferencesDirectory) {
  SHARDFS_REQUIRE_FUSE();
  const ProgramResult result = RunShardfs(Arguments());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out + result.err, IsEmpty());

  const fs::path expected = GoldenCase() + "/expected";
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(expected)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    const fs::path name = fs::relative(entry.path(), expected);
    const std::string bytes = ReadFile(point_ / name);
    const std::string reference = ReadFile(entry.path());
    if (name == "model_sharded_metadata.json") {  // the reference's order of keys is arbitrary
      EXPECT_EQ(nlohmann::json::parse(bytes), nlohmann::json::parse(reference));
    } else {
      EXPECT_TRUE(bytes == reference) << name;
    }
  }
  EXPECT_GT(files, 10u);
  const auto shown = static_cast<std::size_t>(
      std::count_if(fs::recursive_directory_iterator(point_), fs::recursive_directory_iterator(),
                    [](const fs::directory_entry& entry) { return entry.is_regular_file(); }));
  EXPECT_EQ(shown, files);
}

TEST_F(MountCommandTest, OwnerModesAndTimesAreAsAskedFor) {
  SHARDFS_REQUIRE_FUSE();
  const ProgramResult result = RunShardfs(
      Arguments({"--uid", "1001", "--gid", "1002", "--file-mode", "0640", "--dir-mode", "750", "--threads", "2"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  struct stat attributes {};
  ASSERT_EQ(::stat((point_ + "/config.json").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_uid, 1001u);
  EXPECT_EQ(attributes.st_gid, 1002u);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFREG | 0640});
  EXPECT_GT(attributes.st_mtim.tv_sec, 0);
  ASSERT_EQ(::stat(point_.c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFDIR | 0750});
}

// A copy takes the modes of the view: its directories must let their owner, who is not root, remove what is in them.
TEST_F(MountCommandTest, ACopyByTheUserWhoServesCanBeDeletedByThatUser) {
  SHARDFS_REQUIRE_FUSE();
  const std::string copy = directory_.MakeDirectory("copies") + "/copy";
  std::string as_user;
  std::vector<std::string> more;
  if (::geteuid() == 0) {
    as_user = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
    more = {"--uid", "65534", "--gid", "65534", "--allow-other"};
    fs::permissions(directory_.path(), fs::perms::others_exec, fs::perm_options::add);
    ASSERT_EQ(::chown((directory_.path() / "copies").c_str(), 65534, 65534), 0);
  }
  ASSERT_EQ(RunShardfs(Arguments(more)).exit_code, 0);
  const auto run = [&](const std::string& command) { return std::system((as_user + command).c_str()); };
  ASSERT_EQ(run("cp -r '" + point_ + "' '" + copy + "'"), 0);
  struct stat attributes {};
  ASSERT_EQ(::stat((copy + "/model-norm").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0700, mode_t{0700});
  EXPECT_EQ(run("rm -r '" + copy + "'"), 0);
  EXPECT_FALSE(fs::exists(copy));
  // So it is with a view of older modes, which this shows to be what makes the difference.
  ASSERT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  more.insert(more.end(), {"--dir-mode", "0550"});
  ASSERT_EQ(RunShardfs(Arguments(more)).exit_code, 0);
  ASSERT_EQ(run("cp -r '" + point_ + "' '" + copy + "'"), 0);
  EXPECT_NE(run("rm -rf '" + copy + "' 2> /dev/null"), 0);
}

TEST_F(MountCommandTest, ASecondMountOnThePointIsRefusedAndTheFirstLivesOn) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_EQ(RunShardfs(Arguments()).exit_code, 0);
  const ProgramResult second = RunShardfs(Arguments());
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr("is a mount already (fuse.shardfs of"));
  EXPECT_FALSE(ReadFile(point_ + "/config.json").empty());
}

TEST_F(MountCommandTest, OfSeveralMountsAtOnceOneIsMounted) {
  SHARDFS_REQUIRE_FUSE();
  for (int round = 0; round < 5; ++round) {
    // In some rounds all are made to come to the same point: they have seen no mount, and one after the other may.
    FileDescriptor directory(::open(point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (round < 2) {
      ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
    }
    std::vector<std::unique_ptr<ShardfsProcess>> processes;
    for (int i = 0; i < 4; ++i) processes.push_back(std::make_unique<ShardfsProcess>(Arguments()));
    if (round < 2) {
      EXPECT_TRUE(WaitUntil([this] { return WaitingForTheLock() == 4; }));
    }
    directory = FileDescriptor();
    int mounted = 0;
    for (const auto& process : processes) {
      const ProgramResult result = process->Wait();
      mounted += result.exit_code == 0;
      if (result.exit_code == 0) continue;
      EXPECT_EQ(result.exit_code, 2) << result.err;
      EXPECT_THAT(result.err, AllOf(HasSubstr("is a mount already"), testing::Not(HasSubstr("a dead one"))));
    }
    EXPECT_EQ(mounted, 1);
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    EXPECT_FALSE(IsMounted(point_)) << "there was another below";
  }
}

TEST_F(MountCommandTest, WhoLocksTheDirectoryOnlyDelaysAMount) {
  SHARDFS_REQUIRE_FUSE();
  FileDescriptor directory(::open(point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
  ShardfsProcess process(Arguments());
  EXPECT_TRUE(WaitUntil([this] { return WaitingForTheLock() == 1; }));
  EXPECT_FALSE(IsMounted(point_));
  directory = FileDescriptor();
  EXPECT_EQ(process.Wait().exit_code, 0);
}

TEST_F(MountCommandTest, RefusesMountpointsThatWillNotDo) {
  std::ofstream(directory_.path() / "file") << "x";
  const auto on = [&](const std::string& point) { return GoldenArguments("mount", {point}); };
  ExpectRefused(on(point_ + "/missing"), 2, "does not exist");
  ExpectRefused(on(directory_.path() / "file"), 2, "is not a directory");
  ExpectRefused(on(directory_.path()), 2, "is not empty");
  ExpectRefused(on(GoldenCase() + "/source"), 2, "is inside the source");
  ExpectRefused(on(GoldenCase()), 2, "contains the source");
}

TEST_F(MountCommandTest, RefusesOptionsThatWillNotDo) {
  ExpectRefused(Arguments({"--file-mode", "0999"}), 2, "--file-mode is '0999'");
  ExpectRefused(Arguments({"--dir-mode", "01777"}), 2, "--dir-mode is '01777'");
  ExpectRefused(Arguments({"--log-file", point_ + "/log"}), 2, "inside the mountpoint");
  ExpectRefused(Arguments({"--log-file", "/nonexistent/log"}), 2, "/nonexistent/log");
  ExpectRefused(Arguments({"--layout", "mindy"}), 2, "'mindy'");
  ExpectRefused(Arguments({"--world-size", "5"}), 2, "5");
}

TEST_F(MountCommandTest, TheDaemonsRefusalReachesTheCommand) {
  const std::string empty = directory_.MakeDirectory("empty");
  // A source that is not there yet is tried again by a service manager; one that is damaged is not.
  ExpectRefused({"mount", "/nonexistent-source", point_, "--tp", "1"}, 1, "/nonexistent-source");
  ExpectRefused({"mount", empty, point_, "--tp", "1"}, 1, "the directory is empty");
  const std::string damaged = directory_.MakeDirectory("damaged");
  std::ofstream(damaged + "/model.safetensors") << "short";
  std::ofstream(damaged + "/config.json") << "{}";
  ExpectRefused({"mount", damaged, point_, "--tp", "1"}, 3, "model.safetensors");
  ExpectRefused({"mount", damaged, point_, "--tp", "1", "--foreground"}, 3, "model.safetensors");
}

TEST_F(MountCommandTest, WarnsOfWhatMindieRefuses) {
  SHARDFS_REQUIRE_FUSE();
  const std::string odd = directory_.MakeDirectory("a+b");
  const ProgramResult result = RunShardfs(GoldenArguments("mount", {odd, "--file-mode", "0666"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("shardfs: warning: MindIE will refuse"), HasSubstr("other characters"),
                                HasSubstr("mode 0002")));
}

TEST_F(MountCommandTest, ForegroundServesUntilASignal) {
  SHARDFS_REQUIRE_FUSE();
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    ShardfsProcess process(Arguments({"-f"}));
    ASSERT_TRUE(WaitUntil([&] { return IsMounted(point_) || !process.Running(); }));
    EXPECT_FALSE(ReadFile(point_ + "/config.json").empty());
    process.Signal(number);
    const ProgramResult result = process.Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("shardfs: info: mounted " + GoldenCase() + "/source on " + point_));
    EXPECT_FALSE(IsMounted(point_));
  }
}

TEST_F(MountCommandTest, StopsThoughBusy) {
  SHARDFS_REQUIRE_FUSE();
  ShardfsProcess process(Arguments({"--foreground"}));
  ASSERT_TRUE(WaitUntil([&] { return IsMounted(point_) || !process.Running(); }));
  const FileDescriptor file(::open((point_ + "/config.json").c_str(), O_RDONLY | O_CLOEXEC));
  const FileDescriptor inside(::open((point_ + "/model-norm").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(file.valid() && inside.valid());
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait().exit_code, 0);
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(MountCommandTest, TheDaemonLogsToTheFile) {
  SHARDFS_REQUIRE_FUSE();
  const std::string log = directory_.path() / "shardfs.log";
  ASSERT_EQ(RunShardfs(Arguments({"--log-file", log})).exit_code, 0);
  ASSERT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return ReadFile(log).find("unmounted " + point_) != std::string::npos; }));
  EXPECT_THAT(ReadFile(log), HasSubstr("mounted " + GoldenCase() + "/source on " + point_));
}

}  // namespace
}  // namespace shardfs
