// shardfs warm, and how much of a file is in the page cache.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"
#include "materialize/temporary_directory.h"
#include "materialize/test_files.h"
#include "service/cached_bytes.h"
#include "service/warm_view.h"
#include "shardfs/base/file_descriptor.h"
#include "tensor/memory_source.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

TEST(CachedBytesTest, OfAFileThatWasJustWritten) {
  const TemporaryDirectory directory;
  WriteFile(directory / "a", std::string(100'000, 'x'));
  const FileDescriptor file(::open((directory / "a").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  const auto cached = CachedBytes(file.get(), 0, 100'000);
  if (cached) {
    EXPECT_EQ(*cached, 100'000u);
    EXPECT_EQ(CachedBytes(file.get(), 4096, 8192), 8192u);
  }
  EXPECT_EQ(CachedBytes(file.get(), 0, 0), 0u);
  EXPECT_FALSE(CachedBytes(-1, 0, 10));
}

class WarmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    const ProgramResult mounted = RunShardfs(GoldenArguments("mount", {mount_.path().string()}));
    ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  }
  void TearDown() override { static_cast<void>(RunShardfs({"umount", mount_.path().string()})); }

  json Warm(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"warm", mount_.path().string(), "--json"});
    const ProgramResult result = RunShardfs(more);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  // What the daemon has handed to the kernel so far.
  std::uint64_t BytesServed() const {
    return json::parse(ReadFile(mount_.path() / ".shardfs/status.json"))["reads"]["bytes"];
  }

  MountableDirectory mount_;
};

TEST_F(WarmTest, ReadsEverythingOnce) {
  const json first = Warm();
  EXPECT_EQ(first["complete"], true);
  EXPECT_EQ(first["left_out_bytes"], 0);
  EXPECT_EQ(first["read_bytes"].get<std::uint64_t>(), first["bytes"].get<std::uint64_t>());
  const std::uint64_t served = BytesServed();
  EXPECT_GE(served, first["bytes"].get<std::uint64_t>());
  // The pages are there: a reader asks the daemon for none of them.
  for (const auto& entry : fs::recursive_directory_iterator(mount_.path())) {
    if (entry.is_regular_file()) ReadFile(entry.path());
  }
  EXPECT_EQ(BytesServed(), served);
  const json second = Warm();
  if (!second["cached_before"].is_null()) {
    EXPECT_EQ(second["cached_before"], second["bytes"]);
    EXPECT_EQ(second["read_bytes"], 0);
  }
}

TEST_F(WarmTest, OnlyWhatSomeRanksLoad) {
  const json all = Warm({"--ranks", "0-3"});
  const json one = Warm({"--ranks", "1"});
  EXPECT_LT(one["files"].get<int>(), all["files"].get<int>());
  EXPECT_LT(one["bytes"].get<std::uint64_t>(), all["bytes"].get<std::uint64_t>());
  EXPECT_EQ(Warm({"--node-rank", "0", "--nnodes", "4"})["files"], Warm({"--ranks", "0"})["files"]);
}

TEST_F(WarmTest, ReadsNoMoreThanMemoryHolds) {
  const TemporaryDirectory kernel;
  constexpr std::uint64_t kRoom = 500 << 10;
  WriteFile(kernel / "proc/meminfo", "MemAvailable:        500 kB\n");
  std::vector<std::unique_ptr<const VirtualFile>> sizes;
  std::vector<PlannedFile> files;
  for (const auto& entry : fs::recursive_directory_iterator(mount_.path())) {
    if (!entry.is_regular_file() || entry.path().string().find("/.shardfs") != std::string::npos) continue;
    sizes.push_back(Pattern(0, entry.file_size()));
    files.push_back({fs::relative(entry.path(), mount_.path()).string(), sizes.back().get()});
  }
  WarmProgress progress;
  const auto report = WarmView(mount_.path().string(), files, 2, progress, {}, {kernel / "proc", kernel / "no-cgroup"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->memory, kRoom);
  EXPECT_THAT(report->memory_limit, HasSubstr("MemAvailable"));
  EXPECT_GT(report->read, 0u);
  EXPECT_LE(report->read, kRoom);
  EXPECT_EQ(report->read + report->left_out, report->bytes);
  EXPECT_FALSE(report->complete());
}

// A file of the mount, and where in the source its bytes are said to come from.
class PlacedFile final : public PatternFile {
 public:
  PlacedFile(std::uint64_t size, const ByteSource& source, std::uint64_t place)
      : PatternFile(0, size), source_(source), place_(place) {}
  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>& visit) const override {
    visit({&source_, place_, 1});
  }

 private:
  const ByteSource& source_;
  const std::uint64_t place_;
};

// Memory for half of the files: those whose bytes stand first in the source are warm afterwards, although they are the
// last of the listing.
TEST_F(WarmTest, ReadsInTheOrderOfTheSource) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(mount_.path())) {
    if (entry.path().extension() == ".safetensors") paths.push_back(fs::relative(entry.path(), mount_.path()));
  }
  std::sort(paths.begin(), paths.end());
  ASSERT_GE(paths.size(), 6u);
  const testing::MemorySource source(std::vector<std::byte>(paths.size()), false);
  std::vector<std::unique_ptr<const VirtualFile>> places;
  std::vector<PlannedFile> files;
  std::uint64_t half = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::uint64_t size = fs::file_size(mount_.path() / paths[i]);
    places.push_back(std::make_unique<PlacedFile>(size, source, paths.size() - 1 - i));
    files.push_back({paths[i], places.back().get()});
    if (i >= paths.size() / 2) half += size;
  }
  const TemporaryDirectory kernel;
  WriteFile(kernel / "proc/meminfo", "MemAvailable: " + std::to_string(half / 1024 + 1) + " kB\n");
  WarmProgress progress;
  const auto report = WarmView(mount_.path().string(), files, 1, progress, {}, {kernel / "proc", kernel / "no-cgroup"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->read, half);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const FileDescriptor file(::open((mount_.path() / paths[i]).c_str(), O_RDONLY | O_CLOEXEC));
    const std::uint64_t size = files[i].file->size();
    const auto cached = CachedBytes(file.get(), 0, size);
    if (cached) {
      EXPECT_EQ(*cached, i < paths.size() / 2 ? 0 : size) << paths[i];
    }
  }
}

TEST_F(WarmTest, ShowsItsProgress) {
  const ProgramResult bar = RunShardfs({"warm", mount_.path().string(), "--progress", "bar"});
  EXPECT_EQ(bar.exit_code, 0);
  EXPECT_THAT(bar.err, HasSubstr("\x1b[K"));
}

TEST_F(WarmTest, SaysWhatItReached) {
  const ProgramResult result = RunShardfs({"warm", mount_.path().string(), "--progress", "none"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("; read "));
  EXPECT_EQ(RunShardfs({"warm", mount_.path().string(), "--ranks", "9"}).exit_code, 2);
  EXPECT_EQ(RunShardfs({"warm", mount_.path().string() + "/model-norm"}).exit_code, 2);
  const ProgramResult json_progress = RunShardfs({"warm", mount_.path().string(), "--progress", "json"});
  EXPECT_THAT(json_progress.out, HasSubstr("\"outcome\":\"done\""));
}

TEST(WarmRefusalTest, OfWhatIsNotMounted) {
  const TemporaryDirectory directory;
  const ProgramResult result = RunShardfs({"warm", directory.path().string()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("so there is nothing to warm"));
}

}  // namespace
}  // namespace shardfs
