// The mount is ended while it is used: by signals, by umount, and what is refused as a mount point.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "faults/fault_mount.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The ways to keep a mount busy. Each says over `ready` that it does, and goes on until it is killed.
int HoldFile(const std::string& point, int ready) {
  const int fd = ::open((point + "/config.json").c_str(), O_RDONLY | O_CLOEXEC);
  (void)!::write(ready, fd >= 0 ? "y" : "n", 1);
  return ::pause();
}

int StandInside(const std::string& point, int ready) {
  const int changed = ::chdir((point + "/model-norm").c_str());
  (void)!::write(ready, changed == 0 ? "y" : "n", 1);
  return ::pause();
}

int HoldMapping(const std::string& point, int ready) {
  const int fd = ::open((point + "/model-norm/model.safetensors").c_str(), O_RDONLY | O_CLOEXEC);
  const void* const mapping = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  const bool touched = mapping != MAP_FAILED && *static_cast<const volatile char*>(mapping) != 0;  // a header's size
  (void)!::write(ready, touched ? "y" : "n", 1);
  return ::pause();
}

int ReadForEver(const std::string& point, int ready) {
  (void)!::write(ready, "y", 1);
  while (ReadPastTheCache(point + "/model-norm/model.safetensors").error == 0) continue;
  return 0;
}

using Holder = int (*)(const std::string& point, int ready);

class StopFaults : public MountFaults {
 protected:
  void SetUp() override {
    MountFaults::SetUp();
    ASSERT_EQ(::pipe2(ready_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    for (const int end : ready_) ::close(end);
  }

  Child Start(Holder holder) const {
    Child child([&] { return holder(point_, ready_[1]); });
    char answer = 'n';
    EXPECT_EQ(::read(ready_[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    return child;
  }

  std::vector<Child> StartAll() const {
    std::vector<Child> children;
    for (const Holder holder : {HoldFile, StandInside, HoldMapping, ReadForEver, ReadForEver}) {
      children.push_back(Start(holder));
    }
    return children;
  }

  // Though its users never let go of it.
  void ExpectThatItEnds(pid_t signalled, int number) const {
    ::kill(signalled, number);
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); })) << "after signal " << number;
    EXPECT_FALSE(IsMounted(point_));
    EXPECT_TRUE(fs::is_empty(point_));
  }

  int ready_[2] = {-1, -1};
};

TEST_F(StopFaults, F12_SignalsEndABusyMount) {
  for (const int number : {SIGTERM, SIGINT}) {  // of SIGHUP, see caller_test.cc
    Mount();
    std::vector<Child> children = StartAll();
    ExpectThatItEnds(Daemons().at(0), number);
    EXPECT_TRUE(children[3].EndsWithin(kPromptly) && children[4].EndsWithin(kPromptly)) << "readers must be let go";
  }
}

// With --run-as there are two processes, and either may be the one that is signalled.
TEST_F(StopFaults, F12_SignalsEndABusyMountThatHasGivenUpRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up root";
  for (const int number : {SIGTERM, SIGKILL}) {
    for (const std::size_t which : {0u, 1u}) {
      if (number == SIGKILL && which == 0) continue;  // the one that unmounts
      Mount({"--run-as", "1001:1001"});
      ASSERT_EQ(Daemons().size(), 2u);
      std::vector<Child> children = StartAll();
      ExpectThatItEnds(Daemons().at(which), number);
      EXPECT_TRUE(children[3].EndsWithin(kPromptly));
    }
  }
}

TEST_F(StopFaults, F13_UnmountWhileBusyIsRefusedWithTheWayOut) {
  for (const Holder holder : {HoldFile, StandInside, HoldMapping}) {
    Mount();
    Child child = Start(holder);
    const ProgramResult refused = RunShardfs({"umount", point_});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, AllOf(StartsWith("shardfs: " + point_ + " is busy: "),
                                   HasSubstr("`shardfs umount --lazy " + point_ + "`")));
    EXPECT_EQ(Occurrences(refused.err, "\n"), 1u) << refused.err;
    EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, 0) << "the mount must live on";

    EXPECT_EQ(RunShardfs({"umount", "--lazy", point_}).exit_code, 0);
    EXPECT_FALSE(IsMounted(point_));
    EXPECT_FALSE(Daemons().empty()) << "whoever uses it must be served on";
    child.Signal(SIGKILL);
    EXPECT_TRUE(child.EndsWithin(kPromptly));
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
  }
}

TEST_F(StopFaults, F14_MountPointsThatWillNotDoAreRefusedInOneSentence) {
  Mount();
  fs::create_directory_symlink(directory_.MakeDirectory("empty"), directory_.path() / "link");
  std::ofstream(directory_.MakeDirectory("full") + "/file") << "x";
  fs::create_directory(source_ + "/inside");
  const auto on = [&](const std::string& point) { return directory_.path() / point; };
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {point_, "is a mount already (fuse.shardfs of " + source_},
      {point_ + "/model-norm", "is not empty"},
      {on("missing"), "does not exist; run mkdir -p "},
      {on("missing/below"), "does not exist"},
      {on("full"), "is not empty: it holds file"},
      {on("full/file"), "is not a directory"},
      {on("link"), "is a symbolic link; give the directory that it leads to"},
      {source_ + "/inside", "is inside the source " + source_},
      {source_, "is inside the source " + source_},
      {directory_.path(), "contains the source " + source_}};
  for (const auto& [point, reason] : refusals) {
    std::vector<std::string> arguments = MountArguments();
    arguments[2] = point;
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_EQ(result.exit_code, 2) << point;
    EXPECT_THAT(result.err, AllOf(StartsWith("shardfs: "), HasSubstr(reason)));
    EXPECT_EQ(Occurrences(result.err, "\n"), 1u) << result.err;
  }
  EXPECT_EQ(Daemons().size(), 1u);
  EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, 0) << "the first mount must live on";
}

}  // namespace
}  // namespace shardfs
