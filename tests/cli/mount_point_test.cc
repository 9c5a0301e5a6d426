#include "service/mount_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fuse/temporary_mount.h"
#include "layout/mindie/check/place_warnings.h"
#include "service/output_file.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MountPointTest : public testing::Test {
 protected:
  void ExpectRefused(const std::string& mount_point, const char* reason) const {
    const auto checked = CheckMountPoint(mount_point, source_);
    ASSERT_FALSE(checked.ok()) << reason;
    EXPECT_EQ(checked.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(checked.status().message()), HasSubstr(reason));
  }

  MountableDirectory directory_;
  std::string base_ = directory_.path();
  std::string source_ = directory_.MakeDirectory("models/source");
};

TEST_F(MountPointTest, AnEmptyDirectoryElsewhereIsFine) {
  const std::string point = directory_.MakeDirectory("mount");
  const auto checked = CheckMountPoint(base_ + "/./models/../mount/", source_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(*checked, point);
}

TEST_F(MountPointTest, ASourceOfASimilarNameIsElsewhere) {
  EXPECT_TRUE(CheckMountPoint(directory_.MakeDirectory("models/source-view"), source_).ok());
}

TEST_F(MountPointTest, Refusals) {
  std::ofstream(base_ + "/file") << "x";
  directory_.MakeDirectory("mount");
  std::filesystem::create_directory_symlink("mount", base_ + "/link");
  directory_.MakeDirectory("full/inner");
  directory_.MakeDirectory("models/source/inner");
  ExpectRefused(base_ + "/missing", "does not exist");
  ExpectRefused(base_ + "/missing/point", "does not exist");
  ExpectRefused(base_ + "/file", "is not a directory");
  ExpectRefused(base_ + "/link", "is a symbolic link");
  ExpectRefused(base_ + "/full", "is not empty: it holds inner");
  ExpectRefused(source_, "is inside the source");
  ExpectRefused(source_ + "/inner", "is inside the source");
  ExpectRefused(base_ + "/models", "contains the source");
  ExpectRefused("/proc", "is a mount already");
  ExpectRefused("/", "is a mount already");
}

// In a process with a mount namespace of its own.
TEST_F(MountPointTest, ASourceThatIsMountedElsewhereTooIsStillTheSource) {
  constexpr int kNotAllowed = 77;
  directory_.MakeDirectory("models/source/inner");
  const std::string bound = directory_.MakeDirectory("bound");
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(source_.c_str(), bound.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      ::_exit(kNotAllowed);
    }
    ExpectRefused(bound + "/inner", "is inside the source");
    EXPECT_FALSE(CheckOutsideSource("the log file", bound + "/log", source_).ok());
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) GTEST_SKIP() << "needs a mount namespace of its own";
  EXPECT_EQ(status, 0);
}

TEST(MindieWarningsTest, NoneForAnOrdinaryPlace) {
  EXPECT_THAT(MindieWarnings("/mnt/DeepSeek-V3.1_view", 0440, 0550), IsEmpty());
}

TEST(MindieWarningsTest, SayWhatMindieWouldRefuse) {
  const auto expect_one = [](const std::vector<Text>& warnings, const std::string& named) {
    ASSERT_THAT(warnings, SizeIs(1));
    EXPECT_THAT(warnings[0].english(), AllOf(HasSubstr("MindIE will refuse"), HasSubstr(named)));
  };
  expect_one(MindieWarnings("/mnt/my view", 0440, 0550), "other characters");
  expect_one(MindieWarnings("/mnt/a+b", 0440, 0550), "other characters");
  std::string deep;
  for (int i = 0; i < 33; ++i) deep += "/d";
  expect_one(MindieWarnings(deep, 0440, 0550), "33 directories deep");
  EXPECT_THAT(MindieWarnings(deep.substr(2), 0440, 0550), IsEmpty());
  expect_one(MindieWarnings("/" + std::string(256, 'a'), 0440, 0550), "255 characters");
  expect_one(MindieWarnings("/mnt", 0666, 0550), "mode 0002");
  expect_one(MindieWarnings("/mnt", 0440, 0777), "mode 0002");
}

}  // namespace
}  // namespace shardfs
