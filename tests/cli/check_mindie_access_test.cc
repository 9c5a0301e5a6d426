// check-mindie opens every file as the user that MindIE runs as.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "base/open_as_user.h"
#include "cli/mindie_files.h"
#include "cli/run_shardfs.h"
#include "cli/verify_fixture.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uid_t kStranger = 54321;  // no user of the system's list, whose group has the same number

std::string LineOf(const ProgramResult& result, const std::string& subject) {
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" " + subject + ": ") == 7 || line.find(subject + ": ") == 8) return line;
  }
  return "no line of " + subject + " in\n" + result.out + result.err;
}

class CheckMindieAccessTest : public VerifyFixture {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
    // All directories above must let everybody through.
    ASSERT_EQ(::chmod(Root().c_str(), 0755), 0);
    for (fs::path above = Root().parent_path(); above != above.root_path(); above = above.parent_path()) {
      struct stat attributes {};
      ASSERT_EQ(::stat(above.c_str(), &attributes), 0);
      if ((attributes.st_mode & S_IXOTH) == 0) GTEST_SKIP() << above << " is closed to others";
    }
    for (const auto& entry : fs::recursive_directory_iterator(out_)) Own(entry.path());
    Own(out_);
  }

  fs::path Root() const { return fs::path(out_).parent_path(); }

  static void Own(const fs::path& path) { ASSERT_EQ(::lchown(path.c_str(), kStranger, kStranger), 0) << path; }

  ProgramResult Check(const std::string& directory = "", uid_t user = kStranger) {
    const std::string checked = directory.empty() ? std::string(out_) : directory;
    WriteFile(root_ / "server.json",
              MindieServerJson(checked, {{"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}}).dump());
    return RunShardfs({"check-mindie", root_ / "server.json", checked, "--uid", std::to_string(user)});
  }
};

TEST_F(CheckMindieAccessTest, AUserWhoCanOpenEverything) {
  const ProgramResult result = Check();
  EXPECT_THAT(LineOf(result, "access"), HasSubstr("ok      access: uid 54321 can open every file")) << result.out;
}

TEST_F(CheckMindieAccessTest, AFileThatTheUserMayNotRead) {
  ASSERT_EQ(::chmod(At("model-001/model.safetensors").c_str(), 0), 0);
  const ProgramResult result = Check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(LineOf(result, "access"),
              AllOf(HasSubstr("WRONG"), HasSubstr("cannot open 1 of the files"),
                    HasSubstr("model-001/model.safetensors"), HasSubstr("Permission denied")));
  EXPECT_THAT(result.out, HasSubstr("WRONG   access")) << "and the other checks are made";
  EXPECT_THAT(result.out, HasSubstr("recorded sizes"));
}

TEST_F(CheckMindieAccessTest, AFolderThatTheUserMayNotEnter) {
  ASSERT_EQ(::chmod(At("model-norm").c_str(), 0), 0);
  EXPECT_THAT(LineOf(Check(), "access"), AllOf(HasSubstr("WRONG"), HasSubstr("model-norm")));
}

TEST_F(CheckMindieAccessTest, ADirectoryAboveThatTheUserMayNotPass) {
  ASSERT_EQ(::chmod(Root().c_str(), 0700), 0);
  const ProgramResult result = Check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(LineOf(result, "access"), AllOf(HasSubstr("WRONG"), HasSubstr("uid 54321 cannot enter"),
                                              HasSubstr(Root().string()), HasSubstr("Permission denied")));
  EXPECT_THAT(LineOf(Check("", 0), "access"), HasSubstr("ok "));
}

TEST_F(CheckMindieAccessTest, AMountWithoutAllowOther) {
  SHARDFS_REQUIRE_FUSE();
  const std::string point = root_ / "mount";
  fs::create_directory(point);
  const auto mount = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {point, "--uid", std::to_string(kStranger), "--gid",
                                          std::to_string(kStranger)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunShardfs(GoldenArguments("mount", arguments));
  };
  ASSERT_EQ(mount({}).exit_code, 0);
  const ProgramResult closed = Check(point);
  EXPECT_EQ(closed.exit_code, 1);
  EXPECT_THAT(LineOf(closed, "access"),
              AllOf(HasSubstr("WRONG"), HasSubstr(point), HasSubstr("--allow-other"), HasSubstr("Permission denied")));
  EXPECT_THAT(LineOf(Check(point, 0), "access"), HasSubstr("ok ")) << "it is root's";
  ASSERT_EQ(RunShardfs({"umount", point}).exit_code, 0);

  ASSERT_EQ(mount({"--allow-other"}).exit_code, 0);
  const ProgramResult open = Check(point);
  EXPECT_THAT(LineOf(open, "access"), HasSubstr("ok "));
  EXPECT_EQ(open.exit_code, 0) << open.out << open.err;
  ASSERT_EQ(RunShardfs({"umount", point}).exit_code, 0);
}

TEST(OpenAsUserTest, ActsAsTheUserAndGivesTheAnswer) {
  const auto own = ActAs(GroupsOf(::geteuid()), [] { return std::to_string(::geteuid()); });
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(*own, std::to_string(::geteuid()));
  const auto ended = ActAs(GroupsOf(::geteuid()), []() -> std::string { ::_exit(1); });
  EXPECT_FALSE(ended.ok());
  const std::string long_text(1 << 20, 'x');
  const auto much = ActAs(GroupsOf(::geteuid()), [&] { return long_text; });
  ASSERT_TRUE(much.ok());
  EXPECT_EQ(*much, long_text);
  if (::geteuid() != 0) return;
  const auto other = ActAs(GroupsOf(kStranger), [] {
    return std::to_string(::getuid()) + " " + std::to_string(::getegid()) + " " +
           std::to_string(::getgroups(0, nullptr));
  });
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(*other, "54321 54321 1");
}

}  // namespace
}  // namespace shardfs
