// shardfs doctor as a user runs it, on the machine itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/environment.h"
#include "cli/mindie_files.h"
#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

TEST(DoctorCommandTest, LooksAtThisMachine) {
  TemporaryDirectory root;
  const std::string view = root / "view";
  fs::create_directory(view);
  const ProgramResult result = RunShardfs(GoldenArguments("doctor", {view, "--json"}));
  EXPECT_EQ(result.err, "");
  const auto report = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_FALSE(report.is_discarded()) << result.out;
  EXPECT_EQ(report["ok"], result.exit_code == 0);
  EXPECT_GE(report["findings"].size(), 15u);
  for (const auto& finding : report["findings"]) {
    EXPECT_EQ(finding["level"] == "ok", finding["remedy"] == "") << finding;
    if (finding["subject"] == "plan") {
      EXPECT_EQ(finding["level"], "ok") << finding;
    }
  }
  const ProgramResult alone = RunShardfs({"doctor"});
  EXPECT_THAT(alone.out, HasSubstr("/dev/fuse: "));
}

// A mount that is there is compared with what is asked for.
TEST(DoctorCommandTest, FindsAMountOfOtherSizes) {
  SHARDFS_REQUIRE_FUSE();
  const MountableDirectory directory;
  const std::string point = directory.MakeDirectory("mount");
  ASSERT_EQ(RunShardfs(GoldenArguments("mount", {point})).exit_code, 0);
  const ProgramResult same = RunShardfs(GoldenArguments("doctor", {point}));
  EXPECT_THAT(same.out, HasSubstr("ok      mountpoint: " + point + " shows "));
  const std::string source = GoldenCase() + "/source";
  const ProgramResult other =
      RunShardfs({"doctor", source, point, "--dp", "4", "--tp", "1", "--moe-tp", "2", "--moe-ep", "2", "--no-mtp"});
  EXPECT_EQ(other.exit_code, 1);
  for (const char* text : {"dp '2' where '4' is asked for", "tp '2' where '1' is asked for",
                           "mtp 'true' where 'false' is asked for", "do: shardfs umount "}) {
    EXPECT_THAT(other.out, HasSubstr(text));
  }
  EXPECT_THAT(RunShardfs({"doctor", source, point}).out, HasSubstr("ok      mountpoint: ")) << "no sizes are asked for";
  EXPECT_THAT(RunShardfs({"doctor", point}).out, HasSubstr("ok      mountpoint: ")) << "a mountpoint may stand alone";
  EXPECT_THAT(RunShardfs({"doctor", point, "--dp", "1", "--tp", "2", "--moe-tp", "2", "--moe-ep", "1"}).out,
              HasSubstr("plan: "))
      << "with sizes it is the SOURCE";
  const ProgramResult fidelity = RunShardfs(GoldenArguments("doctor", {point, "-O", "fidelity=loader"}));
  EXPECT_THAT(fidelity.out, HasSubstr("fidelity 'sharder' where 'loader' is asked for"));
  EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
}

// As shardfs-tmpfs has just made it.
TEST(DoctorCommandTest, TakesAnEmptyTmpfsAndWhatMaterializeCreates) {
  const SmallFilesystem tmpfs("size=64m");
  if (!tmpfs.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  const auto of_mount_point = [](const std::string& place) {
    const ProgramResult result = RunShardfs(GoldenArguments("doctor", {place}));
    const std::size_t at = result.out.find(" mountpoint: ");
    return at == std::string::npos ? result.out : result.out.substr(at - 7, result.out.find('\n', at) - at + 7);
  };
  EXPECT_THAT(of_mount_point(tmpfs.path()), HasSubstr("ok      mountpoint: " + tmpfs.path() + " is an empty tmpfs"));
  const std::string weights = tmpfs.path() + "/weights";
  EXPECT_THAT(of_mount_point(weights), HasSubstr("ok      mountpoint: " + weights + " is not there"));
  ASSERT_EQ(RunShardfs(GoldenArguments("materialize", {weights})).exit_code, 0);
  EXPECT_THAT(of_mount_point(weights),
              HasSubstr("ok      mountpoint: " + weights + " holds what `shardfs materialize`"));
  EXPECT_THAT(of_mount_point(tmpfs.path()), HasSubstr("do: give a directory in it"));
}

TEST(DoctorCommandTest, FindsAnotherBackendAndEndsWithAVerdict) {
  const TemporaryDirectory root;
  const std::string weights = root / "r1";
  const nlohmann::json model = {{"backendType", "torch"}, {"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}};
  WriteFile(root / "config.json", MindieServerJson(weights, model).dump());
  const ProgramResult result =
      RunShardfs({"doctor", GoldenCase() + "/source", weights, "--mindie-config", root / "config.json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("WRONG   backend: backendType is 'torch'"));
  EXPECT_THAT(result.out, ContainsRegex("\n[0-9]+ things? (is|are) wrong[^\n]*\n$"));
}

TEST(DoctorCommandTest, SaysWhatIsWrongWithTheSource) {
  const ProgramResult missing = RunShardfs({"doctor", "/nonexistent-source"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.out, HasSubstr("WRONG   plan: "));
  const ProgramResult sizes = RunShardfs({"doctor", GoldenCase() + "/source"});
  EXPECT_THAT(sizes.out, HasSubstr("--mindie-config"));
}

// Of each line the level, the subject and the message of the probe are Chinese.
TEST(DoctorCommandTest, SpeaksChinese) {
  const ScopedVariable all("LC_ALL", "zh_CN.UTF-8");
  const ProgramResult result = RunShardfs({"doctor", "/nonexistent-source"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("错误    规划："));
  EXPECT_THAT(result.out, ContainsRegex("\n(正常|建议)    内核："));
  EXPECT_THAT(result.out, ContainsRegex("\n发现 [0-9]+ 处错误"));
  for (const char* english : {"ok ", "advice ", "WRONG ", "; do: "})
    EXPECT_EQ(result.out.find(english), std::string::npos);
}

// Each line of what is wrong has Chinese in its message, not only around it, for each kind of failure.
TEST(DoctorCommandTest, RefusalsAreChinese) {
  const ScopedVariable all("LC_ALL", "zh_CN.UTF-8");
  const TemporaryDirectory scratch;
  const std::string source = GoldenCase() + "/source";
  fs::create_directories(scratch / "full/x");
  fs::create_directory(scratch / "empty");
  fs::create_symlink(scratch / "empty", scratch / "link");
  WriteFile(scratch / "file", "");
  fs::copy(source, scratch / "broken", fs::copy_options::recursive);
  fs::permissions(scratch / "broken/config.json", fs::perms::owner_write, fs::perm_options::add);
  WriteFile(scratch / "broken/config.json", "{");
  fs::copy(source, scratch / "unknown", fs::copy_options::recursive);
  fs::permissions(scratch / "unknown/config.json", fs::perms::owner_write, fs::perm_options::add);
  WriteFile(scratch / "unknown/config.json", R"({"model_type": "nonsense"})");
  const std::string empty = scratch / "empty";
  const std::vector<std::pair<std::vector<std::string>, const char*>> cases = {
      {{source, scratch / "full", "--tp", "2"}, "非空"},
      {{source, scratch / "link", "--tp", "2"}, "是符号链接"},
      {{source, scratch / "file", "--tp", "2"}, "不是目录"},
      {{source, empty, "--tp", "7"}, "不能整除"},
      {{source, empty, "--dp", "2", "--cp", "2", "--tp", "2"}, "其中之一必须为 1"},
      {{source, empty, "--layout", "sharded-state"}, "需要张量并行参数"},
      {{scratch / "none", empty, "--tp", "2"}, "不存在"},
      {{empty, scratch / "none", "--tp", "2"}, "目录为空"},
      {{scratch / "broken", empty, "--tp", "2"}, "不是有效的 JSON"},
      {{scratch / "unknown", empty, "--tp", "2"}, "没有对应的默认布局"},
      {{scratch / "unknown", empty, "--tp", "2", "--layout", "mindie"}, "mindie 布局支持"}};
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> words = {"doctor"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const ProgramResult result = RunShardfs(words);
    EXPECT_EQ(result.exit_code, 1) << result.out;
    EXPECT_THAT(result.out, HasSubstr(message));
    EXPECT_EQ(result.out.find("英文原文"), std::string::npos) << result.out;
  }
}

}  // namespace
}  // namespace shardfs
