// materialize from a source whose every read takes a while.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "cli/slow_filesystem.h"
#include "fuse/fuse_available.h"
#include "materialize/temporary_directory.h"
#include "tools/checkpoint_writer.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// What --progress json printed; each line is an object.
std::vector<Json> ParseLines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
  return lines;
}

class MaterializeSlowSourceTest : public ::testing::Test {
 protected:
  // What was asked of a fresh slow file system by a run with that depth; nothing is in the page cache before.
  SlowFilesystem::Counters Run(const std::string& depth, std::chrono::milliseconds delay = kDelay) {
    const SlowFilesystem slow(root_ / "source", delay);
    EXPECT_TRUE(slow.mounted());
    const std::string out = root_ / ("out" + depth + "-" + std::to_string(delay.count()));
    const ProgramResult result = RunShardfs(
        {"materialize", slow.path(), out, "--tp", "2", "--moe-tp", "2", "--threads", "1", "--io-depth", depth});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return slow.counters();
  }

  void WriteSource() {
    tools::CheckpointOptions options;
    options.shape = tools::FindPreset("small")->shape;
    options.fill = tools::Fill::kSparse;
    options.files = 3;
    const auto checkpoint = tools::WriteCheckpoint(root_ / "source", options);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  }

  static constexpr std::chrono::milliseconds kDelay{5};

  TemporaryDirectory root_;
};

TEST_F(MaterializeSlowSourceTest, ManyReadsAreUnderWayAtOnce) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(WriteSource());
  std::uint64_t size = 0;
  for (const auto& entry : fs::directory_iterator(root_ / "source")) size += entry.file_size();

  const SlowFilesystem::Counters alone = Run("0");
  SlowFilesystem::Counters ahead;
  // A processor that is shared asks for the next read later: then each read has to take longer for as many to meet.
  for (auto delay = kDelay; delay <= 25 * kDelay && ahead.most_at_once < 16; delay *= 5) ahead = Run("8", delay);
  EXPECT_GE(ahead.most_at_once, 16);
  EXPECT_GE(ahead.most_at_once, alone.most_at_once * 2);
  EXPECT_LE(ahead.bytes, size + size / 50) << "read ahead and thrown away";
  RecordProperty("most_at_once_without", alone.most_at_once);
  RecordProperty("most_at_once_with", ahead.most_at_once);
}

TEST_F(MaterializeSlowSourceTest, CtrlCLeavesWhatTheSameCommandGoesOnWith) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(WriteSource());
  const SlowFilesystem slow(root_ / "source");
  ASSERT_TRUE(slow.mounted());
  const std::string out = root_ / "out";
  std::vector<std::string> command = {"materialize", slow.path(), out, "--tp", "2", "--moe-tp", "2"};
  for (const char* option : {"--threads", "1", "--progress", "json", "--io-depth", "0"}) command.emplace_back(option);
  const std::string progress = root_ / "progress";
  ShardfsProcess process(command, progress);
  ASSERT_TRUE(WaitUntil([&] {
    const std::string text = ReadFile(progress);
    const bool two_lines = std::count(text.begin(), text.end(), '\n') >= 2;
    return (two_lines && fs::exists(out + "/config.json")) || !process.Running();
  }));
  process.Signal(SIGINT);
  const ProgramResult interrupted = process.Wait();
  EXPECT_EQ(interrupted.exit_code, 1);
  EXPECT_THAT(interrupted.err, HasSubstr("files are complete and kept: run the same command again to go on"));
  EXPECT_FALSE(fs::exists(out + "/.shardfs-complete"));

  std::vector<Json> lines = ParseLines(ReadFile(progress));
  ASSERT_GE(lines.size(), 3u);
  const Json end = lines.back();
  lines.pop_back();
  EXPECT_EQ(end.at("outcome"), "cancelled");
  EXPECT_EQ(end.at("exit_code"), 1);
  EXPECT_THAT(end.at("message").get<std::string>(), HasSubstr("run the same command again"));
  EXPECT_TRUE(end.at("result").is_null());
  std::uint64_t bytes_before = 0;
  for (const Json& line : lines) {
    EXPECT_EQ(line.at("phase"), "write");
    EXPECT_LT(line.at("bytes_done"), line.at("bytes_total"));
    EXPECT_GE(line.at("bytes_done"), bytes_before);
    bytes_before = line.at("bytes_done");
  }
  EXPECT_GT(bytes_before, 0u);
  EXPECT_GT(lines.back().at("bytes_per_second"), 0);
  EXPECT_GT(lines.back().at("seconds_left"), 0);
  EXPECT_THAT(lines.back().at("current_file").get<std::string>(), HasSubstr("model"));

  command.back() = "8";
  const ProgramResult finished = RunShardfs(command);
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const Json done = ParseLines(finished.out).back();
  EXPECT_EQ(done.at("outcome"), "done");
  EXPECT_GT(done.at("result").at("kept_files"), 0);
  const ProgramResult equal = RunShardfs({"verify", root_ / "source", out, "--tp", "2", "--moe-tp", "2"});
  EXPECT_EQ(equal.exit_code, 0) << equal.out << equal.err;
}

}  // namespace
}  // namespace shardfs
