// --progress, as programs and people see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

// The last line of what --progress json printed; each line before it must be an object of the run's progress.
Json EndOf(const ProgramResult& result) {
  std::istringstream stream(result.out);
  Json last;
  for (std::string line; std::getline(stream, line);) {
    EXPECT_TRUE(last.is_null() || last.contains("bytes_total")) << result.out;
    last = Json::parse(line, nullptr, false);
    EXPECT_TRUE(last.is_object()) << line;
  }
  EXPECT_EQ(last.value("phase", ""), "end") << result.out;
  EXPECT_EQ(last.value("exit_code", -1), result.exit_code);
  return last;
}

class ProgressCommandTest : public ::testing::Test {
 protected:
  ProgramResult Materialize(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = more;
    arguments.insert(arguments.begin(), out_);
    return RunShardfs(GoldenArguments("materialize", arguments));
  }

  TemporaryDirectory root_;
  const std::string out_ = root_ / "out";
};

TEST_F(ProgressCommandTest, JsonEndsWithTheResult) {
  const ProgramResult written = Materialize({"--progress", "json"});
  ASSERT_EQ(written.exit_code, 0) << written.err;
  EXPECT_THAT(written.err, IsEmpty());
  const Json end = EndOf(written);
  EXPECT_EQ(end.at("outcome"), "done");
  EXPECT_TRUE(end.at("message").is_null());
  EXPECT_EQ(end.at("result").at("destination"), std::filesystem::canonical(out_).string());

  // The same members as --json has.
  const ProgramResult plain = Materialize({"--restart", "--json"});
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  const Json result = Json::parse(plain.out);
  for (const auto& [name, value] : result.items()) EXPECT_TRUE(end.at("result").contains(name)) << name;
}

TEST_F(ProgressCommandTest, JsonOfVerify) {
  ASSERT_EQ(Materialize({}).exit_code, 0);
  EXPECT_EQ(EndOf(RunShardfs({"verify", out_, "--progress", "json"})).at("outcome"), "done");
  EXPECT_EQ(EndOf(RunShardfs(GoldenArguments("verify", {out_, "--progress", "json"}))).at("outcome"), "done");

  const std::string path = out_ + "/model-norm/model.safetensors";
  std::string bytes = ReadFile(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  WriteFile(path, bytes);
  for (const ProgramResult& result : {RunShardfs({"verify", out_, "--progress", "json"}),
                                      RunShardfs(GoldenArguments("verify", {out_, "--progress", "json"}))}) {
    EXPECT_EQ(result.exit_code, 4);
    const Json end = EndOf(result);
    EXPECT_EQ(end.at("outcome"), "different");
    EXPECT_EQ(end.at("result").at("differences").at(0).at("path"), "model-norm/model.safetensors");
  }
}

TEST_F(ProgressCommandTest, JsonOfARefusal) {
  WriteFile(root_ / "file", "");
  for (const std::string command : {"materialize", "verify"}) {
    for (const auto& [source, outcome] : {std::pair{"file", "refused"}, std::pair{"nowhere", "failed"}}) {
      const ProgramResult result = RunShardfs({command, root_ / source, out_, "--progress", "json"});
      const Json end = EndOf(result);
      EXPECT_EQ(end.at("outcome"), outcome) << result.out;
      EXPECT_THAT(end.at("message").get<std::string>(), HasSubstr(source));
      EXPECT_THAT(result.err, HasSubstr(end.at("message").get<std::string>()));
    }
  }
}

TEST_F(ProgressCommandTest, BarIsForPeople) {
  const ProgramResult none = Materialize({"--progress", "none"});
  EXPECT_THAT(none.err, IsEmpty());
  const ProgramResult bar = Materialize({"--restart", "--progress", "bar"});
  EXPECT_EQ(bar.exit_code, 0);
  EXPECT_THAT(bar.err, HasSubstr("\x1b[K"));
}

TEST_F(ProgressCommandTest, RefusesWhatIsNoMode) {
  const ProgramResult result = Materialize({"--progress", "dots"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("dots"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

}  // namespace
}  // namespace shardfs
