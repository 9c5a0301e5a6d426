#include "base/path_within.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace shardfs {
namespace {

namespace fs = std::filesystem;

class PathWithinTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "shardfs-within-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = fs::canonical(name);
    fs::create_directories(root_ + "/source/below/deeper");
    fs::create_directories(root_ + "/source-view");
    fs::create_directories(root_ + "/bound");
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string root_;
};

TEST_F(PathWithinTest, GoesByDirectories) {
  const std::string source = root_ + "/source";
  EXPECT_TRUE(IsWithin(source, source));
  EXPECT_TRUE(IsWithin(source + "/below/deeper", source));
  EXPECT_TRUE(IsWithin(source, root_));
  EXPECT_TRUE(IsWithin(source, "/"));
  EXPECT_TRUE(IsWithin("/", "/"));
  EXPECT_FALSE(IsWithin(root_ + "/source-view", source));
  EXPECT_FALSE(IsWithin(root_, source));
  EXPECT_FALSE(IsWithin("/", source));
  EXPECT_FALSE(IsWithin(source, root_ + "/missing"));
}

TEST_F(PathWithinTest, WhatIsNotThereYetLiesWhereItWouldBeMade) {
  EXPECT_TRUE(IsWithin(root_ + "/source/new", root_ + "/source"));
  EXPECT_TRUE(IsWithin(root_ + "/source/new/newer", root_ + "/source"));
  EXPECT_FALSE(IsWithin(root_ + "/new", root_ + "/source"));
}

// In a process with a mount namespace of its own.
TEST_F(PathWithinTest, SeesABindMount) {
  constexpr int kNotAllowed = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string source = root_ + "/source";
    const std::string bound = root_ + "/bound";
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(source.c_str(), bound.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      ::_exit(kNotAllowed);
    }
    const bool right = IsWithin(bound + "/below", source) && IsWithin(source + "/below", bound) &&
                       IsWithin(bound + "/new", source) && !IsWithin(root_, source);
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) GTEST_SKIP() << "needs a mount namespace of its own";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace shardfs
