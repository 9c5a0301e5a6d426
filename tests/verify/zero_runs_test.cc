#include "verify/zero_runs.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace shardfs {
namespace {

using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// By definition: every longest run, if it is long enough.
Runs ByDefinition(const std::string& bytes) {
  Runs runs;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != 0 || (i > 0 && bytes[i - 1] == 0)) continue;
    std::size_t end = i;
    while (end < bytes.size() && bytes[end] == 0) ++end;
    if (end - i >= kLostBlockBytes) runs.emplace_back(i, end);
  }
  return runs;
}

// In streams that begin at those places, each fed in pieces of `piece` bytes.
Runs Found(const std::string& bytes, const std::vector<std::size_t>& streams, std::size_t piece) {
  std::vector<ZeroRun> all;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const std::size_t end = i + 1 < streams.size() ? streams[i + 1] : bytes.size();
    ZeroRuns runs(streams[i]);
    for (std::size_t at = streams[i]; at < end; at += piece) {
      runs.Add(std::as_bytes(std::span(bytes).subspan(at, std::min(piece, end - at))));
    }
    for (const ZeroRun& run : runs.Finish()) all.push_back(run);
  }
  Runs found;
  for (const ZeroRun& run : JoinZeroRuns(std::move(all))) found.emplace_back(run.begin, run.end);
  return found;
}

TEST(ZeroRunsTest, FindsEveryRunOfABlockExactly) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(1 + random() % 60000, 'x');
    for (int holes = 0; holes < 4; ++holes) {
      const std::size_t begin = random() % bytes.size();
      const std::size_t size = std::min<std::size_t>(bytes.size() - begin, 4090 + random() % 12 + random() % 3 * 5000);
      bytes.replace(begin, size, size, '\0');
    }
    std::vector<std::size_t> streams = {0};
    while (streams.back() + 1 < bytes.size() && random() % 2 == 0) {
      streams.push_back(streams.back() + 1 + random() % (bytes.size() - streams.back() - 1));
      if (streams.back() == bytes.size()) streams.pop_back();
    }
    EXPECT_EQ(Found(bytes, streams, 1024u << random() % 5), ByDefinition(bytes)) << round;
  }
}

TEST(ZeroRunsTest, TellsShortFromLong) {
  std::string bytes(20000, 'x');
  bytes.replace(5000, 4095, 4095, '\0');
  EXPECT_TRUE(Found(bytes, {0}, 4096).empty());
  bytes[9095] = '\0';
  EXPECT_EQ(Found(bytes, {0}, 4096), (Runs{{5000, 9096}}));
  EXPECT_EQ(Found(std::string(8192, '\0'), {0, 4096}, 1024), (Runs{{0, 8192}}));
  EXPECT_TRUE(Found("", {0}, 1024).empty());
}

}  // namespace
}  // namespace shardfs
