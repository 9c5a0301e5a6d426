#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"
#include "tools/checkpoint_writer.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

// Paths of all files below a directory but hidden ones, with their bytes; JSON in one form, because the order of its
// keys may differ.
std::map<std::string, std::string> Contents(const fs::path& root) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with('.')) continue;
    std::string bytes = ReadFile(entry.path());
    if (entry.path().filename() == "model_sharded_metadata.json") bytes = json::parse(bytes).dump();
    contents[fs::relative(entry.path(), root)] = std::move(bytes);
  }
  return contents;
}

// What plan says that these ranks need: paths of files.
std::vector<std::string> FilesOfRanks(const std::vector<std::uint32_t>& ranks) {
  const json plan = json::parse(RunShardfs(GoldenArguments("plan", {"--json"})).out);
  std::vector<std::string> files;
  for (const json& entry : plan["entries"]) {
    bool needed = false;
    for (const std::uint32_t rank : ranks) {
      for (const json& loader : entry["ranks"]) needed = needed || loader == rank;
    }
    if (needed && entry["type"] == "file") files.push_back(entry["path"]);
  }
  return files;
}

class MaterializeCommandTest : public ::testing::Test {
 protected:
  ProgramResult Materialize(std::vector<std::string> more = {}) {
    more.insert(more.begin(), out_);
    return RunShardfs(GoldenArguments("materialize", more));
  }

  void ExpectFilesOfRanks(const std::vector<std::uint32_t>& ranks) {
    const auto written = Contents(out_);
    const auto reference = Contents(GoldenCase() + "/expected");
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : written) {
      paths.push_back(path);
      EXPECT_TRUE(bytes == reference.at(path)) << path;
    }
    EXPECT_THAT(paths, ::testing::UnorderedElementsAreArray(FilesOfRanks(ranks)));
  }

  TemporaryDirectory root_;
  const std::string out_ = root_ / "out";
};

TEST_F(MaterializeCommandTest, EverythingIsTheReferencesDirectory) {
  const ProgramResult result = Materialize();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(WithoutProgress(result.err), "");
  EXPECT_THAT(result.out, AllOf(HasSubstr(" files, "), HasSubstr("/s\n")));
  EXPECT_TRUE(Contents(out_) == Contents(GoldenCase() + "/expected"));
}

TEST_F(MaterializeCommandTest, SomeRanks) {
  ASSERT_EQ(Materialize({"--ranks", "0,3"}).exit_code, 0);
  ExpectFilesOfRanks({0, 3});
  EXPECT_TRUE(fs::is_directory(out_ + "/model-000"));
  EXPECT_FALSE(fs::exists(out_ + "/model-001"));
}

TEST_F(MaterializeCommandTest, OneNode) {
  ASSERT_EQ(Materialize({"--node-rank", "1", "--nnodes", "2"}).exit_code, 0);
  ExpectFilesOfRanks({2, 3});
}

TEST_F(MaterializeCommandTest, Json) {
  const ProgramResult result = Materialize({"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json summary = json::parse(result.out, nullptr, false);
  ASSERT_FALSE(summary.is_discarded()) << result.out;
  const json plan = json::parse(RunShardfs(GoldenArguments("plan", {"--json"})).out);
  EXPECT_EQ(summary["bytes"], plan["bytes"]);
  EXPECT_EQ(summary["files"], plan["files"]);
  EXPECT_EQ(summary["destination"], fs::canonical(out_).string());
}

TEST_F(MaterializeCommandTest, Modes) {
  ASSERT_EQ(Materialize({"--file-mode", "0400", "--dir-mode", "0700"}).exit_code, 0);
  struct stat info {};
  ASSERT_EQ(::stat((out_ + "/config.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0400u);
  ASSERT_EQ(::stat((out_ + "/model-norm").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST_F(MaterializeCommandTest, VerifyTellsADifferenceByItsExitCode) {
  ASSERT_EQ(Materialize().exit_code, 0);
  std::string bytes = ReadFile(out_ + "/config.json");
  bytes[0] = '[';
  WriteFile(out_ + "/config.json", bytes);
  const ProgramResult result = Materialize({"--verify", "--progress", "json"});
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_THAT(result.err, HasSubstr("config.json"));
  EXPECT_THAT(result.out, AllOf(HasSubstr(R"("outcome":"different","exit_code":4)"), HasSubstr("config.json")));
}

TEST_F(MaterializeCommandTest, ReplaceMendsWhatIsDamagedAndSaysWhat) {
  ASSERT_EQ(Materialize().exit_code, 0);
  const std::string good = ReadFile(out_ + "/config.json");
  const std::string damaged = std::string(good.size(), 'x');
  WriteFile(out_ + "/config.json", damaged);
  EXPECT_EQ(Materialize().exit_code, 0);
  EXPECT_EQ(ReadFile(out_ + "/config.json"), damaged) << "only what can be seen without reading is noticed unasked";
  const ProgramResult mended = Materialize({"--replace"});
  ASSERT_EQ(mended.exit_code, 0) << mended.err;
  EXPECT_THAT(mended.out, HasSubstr("mended: 1 file that was damaged or missing ('config.json')"));
  EXPECT_EQ(ReadFile(out_ + "/config.json"), good);
  EXPECT_EQ(RunShardfs({"verify", out_}).exit_code, 0);
  WriteFile(out_ + "/config.json", damaged);
  const json summary = json::parse(Materialize({"--replace", "--json"}).out, nullptr, false);
  EXPECT_EQ(summary["mended"], json({"config.json"}));
  EXPECT_EQ(json::parse(Materialize({"--replace", "--verify", "--json"}).out, nullptr, false)["mended"], json::array());
}

TEST_F(MaterializeCommandTest, RefusalsLeaveNothing) {
  const struct {
    std::vector<std::string> arguments;
    const char* reason;
  } kCases[] = {
      {{"--ranks", "0-4"}, "4"},
      {{"--ranks", "0", "--node-rank", "0"}, "--ranks"},
      {{"--node-rank", "0"}, "add --nnodes"},
      {{"--node-rank", "2", "--nnodes", "2"}, "no node 2"},
      {{"--node-rank", "0", "--nnodes", "3"}, "3 nodes do not divide"},
      {{"--nnodes", "2"}, "--node-rank"},
      {{"--file-mode", "rw"}, "--file-mode"},
      {{"--dir-mode", "01777"}, "--dir-mode"},
  };
  for (const auto& refused : kCases) {
    const ProgramResult result = Materialize(refused.arguments);
    EXPECT_EQ(result.exit_code, 2) << refused.reason << ": " << result.err;
    EXPECT_THAT(result.err, HasSubstr(refused.reason));
    EXPECT_FALSE(fs::exists(out_)) << refused.reason;
  }
}

TEST_F(MaterializeCommandTest, RefusesADestinationInUse) {
  WriteFile(out_ + "/mine", "kept");
  const ProgramResult result = Materialize();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("not empty"));
  EXPECT_EQ(ReadFile(out_ + "/mine"), "kept");
}

TEST_F(MaterializeCommandTest, RefusesADestinationWithoutRoom) {
  const SmallFilesystem filesystem("size=64k");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  const ProgramResult result = RunShardfs(GoldenArguments("materialize", {filesystem.path() + "/out"}));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("65.5 kB is available"));
  EXPECT_TRUE(fs::is_empty(filesystem.path()));
}

TEST_F(MaterializeCommandTest, ASignalLeavesNothingWhereNothingIsToBeKept) {
  constexpr std::uint64_t kNeeded = 8'000'000'000;  // twice the view, for the tests that run beside this one
  if (fs::space(root_.path()).available < kNeeded) GTEST_SKIP() << "needs 8 GB of space";
  tools::CheckpointOptions options;
  options.shape = tools::FindPreset("small")->shape;
  options.shape.moe_intermediate *= 16;  // about 4 GB: a view that takes a while to write; the source is all holes
  options.fill = tools::Fill::kSparse;
  const auto checkpoint = tools::WriteCheckpoint(root_ / "source", options);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();

  ShardfsProcess process(
      {"materialize", root_ / "source", out_, "--tp", "2", "--moe-tp", "2", "--threads", "1", "--no-keep"});
  ASSERT_TRUE(WaitUntil([&] { return !process.Running() || fs::exists(out_); }));
  process.Signal(SIGTERM);
  const ProgramResult result = process.Wait();
  EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("cancelled"), HasSubstr("removed")));
  EXPECT_FALSE(fs::exists(out_));
}

}  // namespace
}  // namespace shardfs
