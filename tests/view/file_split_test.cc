#include "view/file_split.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

using Shards = std::vector<std::vector<std::size_t>>;

TEST(ShardPacking, FillsAFileUpToTheLimitAndNotPastIt) {
  const std::vector<std::uint64_t> sizes = {4, 6, 1, 9, 1};
  EXPECT_EQ(PackShards(sizes, 10), (Shards{{0, 1}, {2, 3}, {4}}));
  EXPECT_EQ(PackShards(sizes, 21), (Shards{{0, 1, 2, 3, 4}}));
}

TEST(ShardPacking, ATensorLargerThanTheLimitIsAFileOfItsOwnBeforeTheOpenOne) {
  const std::vector<std::uint64_t> sizes = {3, 50, 3, 10, 60};
  EXPECT_EQ(PackShards(sizes, 10), (Shards{{1}, {0, 2}, {4}, {3}}));
}

TEST(ShardPacking, ATensorOfJustTheLimitIsNotLargerThanIt) {
  const std::vector<std::uint64_t> sizes = {10, 10};
  EXPECT_EQ(PackShards(sizes, 10), (Shards{{0}, {1}}));
}

TEST(ShardPacking, NothingNeedsNoFile) { EXPECT_TRUE(PackShards({}, 10).empty()); }

TEST(ShardPacking, FilesAreNamedAsTheHubNamesThem) {
  EXPECT_EQ(ShardFileName(0, 1), "model.safetensors");
  EXPECT_EQ(ShardFileName(0, 5), "model-00001-of-00005.safetensors");
  EXPECT_EQ(ShardFileName(4, 5), "model-00005-of-00005.safetensors");
}

}  // namespace
}  // namespace shardfs
