// shardfs status, as a user runs it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/mount_table.h"
#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/prometheus_parser.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kSourceChanged = 6;
constexpr int kDead = 7;
constexpr const char* kShard = "model-00001-of-00002.safetensors";

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class StatusCommandTest : public testing::Test {
 protected:
  // A copy, for tests that damage it.
  void SetUp() override { fs::copy(GoldenCase() + "/source", source_, fs::copy_options::recursive); }

  std::vector<std::string> MountArguments(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = GoldenArguments("mount", {point_});
    arguments[1] = source_;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void Mount() const {
    const ProgramResult result = RunShardfs(MountArguments());
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  ProgramResult RunStatus(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"status", point_});
    return RunShardfs(more);
  }

  MountableDirectory directory_;
  std::string point_ = directory_.MakeDirectory("mount point");
  std::string source_ = directory_.MakeDirectory("source");
};

TEST_F(StatusCommandTest, AHealthyMountSaysWhatItIs) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  ReadFile(point_ + "/config.json");
  ReadFile(point_ + "/tokenizer.json");
  ReadFile(point_ + "/model-norm/model.safetensors");
  const ProgramResult result = RunStatus();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, StartsWith(point_ + ": healthy\n"));
  EXPECT_THAT(result.out, AllOf(HasSubstr("source       " + source_), HasSubstr("dp 2, tp 2, moe_tp 2, moe_ep 2"),
                                HasSubstr("mtp true"), HasSubstr("tensors 5.38 kB in 1 read"),
                                HasSubstr("errors       none"), HasSubstr("p99 ")));
}

TEST_F(StatusCommandTest, JsonAndMetricsSayTheSame) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  const std::string bytes = ReadFile(point_ + "/model-norm/model.safetensors");
  const ProgramResult result = RunStatus({"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["health"], "healthy");
  EXPECT_EQ(json["source"], source_);
  EXPECT_EQ(json["layout"], "mindie");
  EXPECT_EQ(json["parallel"]["world_size"], 4);
  EXPECT_EQ(json["parallel"]["moe_ep"], 2);
  EXPECT_EQ(json["reads"]["by_kind"]["tensors"]["bytes"], bytes.size());
  EXPECT_EQ(json["errors"]["total"], 0);
  EXPECT_EQ(json["sources"]["files"], 7);

  const PrometheusText metrics(ReadFile(point_ + "/.shardfs/metrics"));
  EXPECT_EQ(metrics.error(), "");
  EXPECT_EQ(metrics["shardfs_read_bytes_total{kind=\"tensors\"}"], static_cast<double>(bytes.size()));
  EXPECT_EQ(metrics["shardfs_source_changed_files"], 0);
  EXPECT_EQ(metrics["shardfs_health{state=\"healthy\"}"], 1);
}

TEST_F(StatusCommandTest, ACopyOfTheMountHasNoTraceOfIt) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  const std::string copy = directory_.path() / "copy";
  ASSERT_EQ(std::system(("cp -r '" + point_ + "' '" + copy + "'").c_str()), 0);
  EXPECT_TRUE(fs::exists(copy + "/model-norm/model.safetensors"));
  EXPECT_FALSE(fs::exists(copy + "/.shardfs"));
  const std::string listing = directory_.path() / "listing";
  ASSERT_EQ(std::system(("ls -laR '" + point_ + "' > '" + listing + "'").c_str()), 0);
  EXPECT_THAT(ReadFile(listing), AllOf(HasSubstr("config.json"), Not(HasSubstr(".shardfs"))));
}

// F1: named before anybody reads, and when somebody has.
TEST_F(StatusCommandTest, ATruncatedSourceIsNamed) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  fs::resize_file(source_ + "/" + kShard, fs::file_size(source_ + "/" + kShard) - 4096);
  const ProgramResult unread = RunStatus();
  EXPECT_EQ(unread.exit_code, kSourceChanged) << unread.err;
  EXPECT_THAT(unread.out, AllOf(HasSubstr(": SOURCE CHANGED"), HasSubstr(kShard), HasSubstr("errors       none")));

  const FileDescriptor file(::open((point_ + "/model-norm/model.safetensors").c_str(), O_RDONLY | O_CLOEXEC));
  char byte = 0;
  EXPECT_EQ(::read(file.get(), &byte, 1), -1);
  EXPECT_EQ(errno, EIO);
  const ProgramResult read = RunStatus({"--json"});
  EXPECT_EQ(read.exit_code, kSourceChanged);
  const Json json = Json::parse(read.out);
  EXPECT_EQ(json["health"], "source_changed");
  ASSERT_EQ(json["sources"]["changed"].size(), 1u);
  EXPECT_EQ(json["sources"]["changed"][0]["file"], kShard);
  EXPECT_GE(json["errors"]["by_cause"]["source_changed"], 1);
  EXPECT_THAT(json["errors"]["last"]["message"].get<std::string>(),
              AllOf(HasSubstr("model-norm/model.safetensors (source " + source_ + "/" + kShard + ", offset "),
                    HasSubstr("its size was")));
  const PrometheusText metrics(ReadFile(point_ + "/.shardfs/metrics"));
  EXPECT_EQ(metrics.error(), "");
  EXPECT_EQ(metrics["shardfs_source_changed_files"], 1);
  EXPECT_GE(metrics["shardfs_read_errors_total{cause=\"source_changed\"}"], 1);
  EXPECT_FALSE(ReadFile(point_ + "/config.json").empty()) << "others continue";
}

// F2: written in place, of the same size.
TEST_F(StatusCommandTest, ASourceWrittenInPlaceIsNamed) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  {
    std::fstream file(source_ + "/" + kShard, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  const ProgramResult result = RunStatus();
  EXPECT_EQ(result.exit_code, kSourceChanged) << result.out;
  EXPECT_THAT(result.out, AllOf(HasSubstr(kShard), HasSubstr("modification time")));
}

// F3: the old bytes are served on.
TEST_F(StatusCommandTest, AReplacedOrDeletedSourceIsHealthy) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  fs::remove(source_ + "/" + kShard);
  std::ofstream(source_ + "/new") << "other";
  fs::rename(source_ + "/new", source_ + "/model-00002-of-00002.safetensors");
  EXPECT_EQ(ReadFile(point_ + "/model-norm/model.safetensors").size(),
            fs::file_size(point_ + "/model-norm/model.safetensors"));
  EXPECT_EQ(RunStatus().exit_code, 0);
}

TEST_F(StatusCommandTest, WhatIsNoMountOfShardfsIsRefused) {
  const ProgramResult plain = RunStatus();
  EXPECT_EQ(plain.exit_code, 2);
  EXPECT_THAT(plain.err, HasSubstr("is not mounted"));
  const ProgramResult proc = RunShardfs({"status", "/proc"});
  EXPECT_EQ(proc.exit_code, 2);
  EXPECT_THAT(proc.err, HasSubstr("is a mount of type proc, not of fuse.shardfs"));
  EXPECT_EQ(RunShardfs({"status", point_ + "/a/b"}).exit_code, 2);
}

TEST_F(StatusCommandTest, ADeadOrStoppedDaemonIsToldFromOthers) {
  SHARDFS_REQUIRE_FUSE();
  ShardfsProcess process(MountArguments({"--foreground"}));
  ASSERT_TRUE(WaitUntil([&] { return RunStatus().exit_code == 0 || !process.Running(); }));

  process.Signal(SIGSTOP);  // and stays so, while the commands below end
  const ProgramResult stopped = RunStatus({"--json"});
  EXPECT_EQ(stopped.exit_code, kDead);
  EXPECT_THAT(stopped.err, HasSubstr("does not answer"));
  EXPECT_EQ(Json::parse(stopped.out)["health"], "dead");
  const ProgramResult doctor = RunShardfs({"doctor", source_, point_});
  EXPECT_EQ(doctor.exit_code, 1);
  EXPECT_THAT(doctor.out, AllOf(HasSubstr("WRONG   mountpoint: " + point_ + " does not answer"),
                                HasSubstr("do: look whether it is stopped")));
  process.Signal(SIGCONT);
  EXPECT_EQ(RunStatus().exit_code, 0) << "it lives on";

  process.Signal(SIGKILL);
  process.Wait();
  const ProgramResult dead = RunStatus();
  EXPECT_EQ(dead.exit_code, kDead);
  EXPECT_THAT(dead.err, AllOf(HasSubstr(point_ + " is dead"), HasSubstr("shardfs umount")));
  const ProgramResult examined = RunShardfs({"doctor", source_, point_});
  EXPECT_EQ(examined.exit_code, 1);
  EXPECT_THAT(examined.out, AllOf(HasSubstr("WRONG   mountpoint: " + point_ + " is dead"),
                                  HasSubstr("do: take it away with `shardfs umount " + point_ + "`")));
  const ProgramResult alone = RunShardfs({"doctor", point_});
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_THAT(alone.out, HasSubstr("WRONG   mountpoint: " + point_ + " is dead")) << "a mountpoint is no SOURCE";
}

TEST_F(StatusCommandTest, EveryFileSaysWhatItIsMadeOf) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  const auto get = [&](const std::string& file, const char* name) {
    std::array<char, 65536> value;
    const ssize_t size = ::getxattr((point_ + "/" + file).c_str(), name, value.data(), value.size());
    return std::string(value.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  };
  EXPECT_EQ(get("tokenizer.json", "user.shardfs.sources"), "tokenizer.json 0 53\n");
  EXPECT_THAT(get("model-norm/model.safetensors", "user.shardfs.sources"), StartsWith(std::string(kShard) + " "));
  EXPECT_EQ(get("model-norm/model.safetensors", "user.shardfs.layout"),
            "mindie world_size=4 dp=2 tp=2 moe_tp=2 moe_ep=2 sp=1 cp=1");
  // getfattr is how people see them.
  const std::string listing = directory_.path() / "attributes";
  ASSERT_EQ(std::system(("getfattr -d --absolute-names '" + point_ + "/tokenizer.json' > '" + listing + "'").c_str()),
            0);
  EXPECT_THAT(ReadFile(listing), AllOf(HasSubstr("user.shardfs.layout=\"mindie "),
                                       HasSubstr("user.shardfs.sources=\"tokenizer.json 0 53")));
}

// Other views of the machine may be mounted while the test runs, so it looks for its own lines.
TEST_F(StatusCommandTest, WithoutAMountPointAllViewsAreListed) {
  Mount();
  const ProgramResult listed = RunShardfs({"status"});
  EXPECT_THAT(listed.out, StartsWith("MOUNTPOINT"));
  EXPECT_THAT(listed.out, ::testing::ContainsRegex(point_ + " +healthy +mindie +" + source_));
  const ProgramResult as_json = RunShardfs({"status", "--json"});
  const Json list = Json::parse(as_json.out);
  const auto own = [&](const Json& one) { return one["mountpoint"] == point_; };
  EXPECT_EQ(std::count_if(list.begin(), list.end(), own), 1);

  const Json status = Json::parse(RunStatus({"--json"}).out);
  ASSERT_EQ(::kill(status["pid"].get<pid_t>(), SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] { return RunStatus().exit_code == kDead; }));
  const ProgramResult dead = RunShardfs({"status"});
  EXPECT_EQ(dead.exit_code, kDead);
  EXPECT_THAT(dead.out, ::testing::ContainsRegex(point_ + " +dead +- +" + point_ + " is dead"));
}

// What has changed meanwhile shows in the next answer; a signal ends it.
TEST_F(StatusCommandTest, WatchAnswersAgain) {
  SHARDFS_REQUIRE_FUSE();
  ASSERT_NO_FATAL_FAILURE(Mount());
  for (const bool of_all : {false, true}) {
    const std::string out = directory_.path() / "watched";
    std::vector<std::string> words{"status", "--watch"};
    if (!of_all) words.push_back(point_);
    ShardfsProcess watching(words, out);
    const std::string head = of_all ? "MOUNTPOINT" : point_ + ": healthy\n";
    const auto times = [&](const std::string& said) {
      const std::string text = ReadFile(out);
      std::size_t count = 0;
      for (std::size_t at = 0; (at = text.find(said, at)) != std::string::npos; ++at) ++count;
      return count;
    };
    EXPECT_TRUE(WaitUntil([&] { return times(head) >= 2 || !watching.Running(); }));
    EXPECT_TRUE(watching.Running());
    if (!of_all) {
      const std::string shard = source_ + "/" + kShard;
      fs::resize_file(shard, fs::file_size(shard) - 1);
      EXPECT_TRUE(WaitUntil([&] { return times(point_ + ": SOURCE CHANGED") > 0 || !watching.Running(); }));
    }
    watching.Signal(SIGINT);
    EXPECT_EQ(watching.Wait().exit_code, -1) << "by the signal";
  }
}

}  // namespace
}  // namespace shardfs
