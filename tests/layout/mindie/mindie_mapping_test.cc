#include "layout/mindie/mindie_mapping.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

ParallelConfig Sizes(std::int64_t world, std::int64_t dp, std::int64_t tp, std::int64_t moe_tp, std::int64_t moe_ep) {
  ParallelConfig config;
  config.world_size = world;
  config.dp = dp;
  config.tp = tp;
  config.moe_tp = moe_tp;
  config.moe_ep = moe_ep;
  return config;
}

void ExpectRefused(const ParallelConfig& config, std::string_view first, std::string_view second) {
  const auto mapping = MindieMapping::Create(config);
  ASSERT_FALSE(mapping.ok());
  EXPECT_EQ(mapping.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(mapping.status().message().find(first), std::string_view::npos) << mapping.status();
  EXPECT_NE(mapping.status().message().find(second), std::string_view::npos) << mapping.status();
}

TEST(MindieMapping, WithoutFlagsEverythingIsTensorParallelOverTheWorld) {
  const auto mapping = MindieMapping::Create(Sizes(4, -1, -1, -1, -1)).value();
  EXPECT_EQ(mapping.dp(), 1u);
  EXPECT_EQ(mapping.tp(), 4u);
  EXPECT_EQ(mapping.moe_tp(), 4u);
  EXPECT_EQ(mapping.moe_ep(), 1u);
}

TEST(MindieMapping, TheWorldSizeFollowsFromTheOtherSizes) {
  EXPECT_EQ(MindieMapping::Create(Sizes(-1, 2, 8, 4, 4))->world_size(), 16u);
  EXPECT_EQ(MindieMapping::Create(Sizes(-1, -1, 8, -1, -1))->world_size(), 8u);
  ParallelConfig context = Sizes(-1, -1, 4, -1, -1);
  context.cp = 2;
  context.moe_tp = 8;
  EXPECT_EQ(MindieMapping::Create(context)->world_size(), 8u);
  ExpectRefused(Sizes(-1, -1, -1, -1, -1), "--world-size", "not given");
}

// The combinations that section 1 of the spec names.
TEST(MindieMapping, AcceptsAndRejectsWhatMindieDoes) {
  ExpectRefused(Sizes(4, 2, -1, -1, -1), "tp 4 * dp 2", "world size is 4");
  ExpectRefused(Sizes(4, 2, 2, -1, -1), "moe_tp is 2", "world size 4");
  EXPECT_TRUE(MindieMapping::Create(Sizes(4, 2, 2, -1, 2)).ok());
  EXPECT_TRUE(MindieMapping::Create(Sizes(4, 2, 2, 4, -1)).ok());
  ExpectRefused(Sizes(16, 2, 8, 4, 2), "moe_tp 4 * moe_ep 2", "world size is 16");
  ExpectRefused(Sizes(16, 2, 4, 4, 4), "tp 4 * dp 2", "world size is 16");
}

TEST(MindieMapping, ContextAndDataParallelExcludeEachOther) {
  ParallelConfig config = Sizes(8, 2, 2, 8, 1);
  config.cp = 2;
  ExpectRefused(config, "cp is 2", "dp is 2");
}

TEST(MindieMapping, SequenceParallelIsOneOrTp) {
  ParallelConfig config = Sizes(8, 2, 4, 4, 2);
  config.sp = 4;
  EXPECT_TRUE(MindieMapping::Create(config).ok());
  config.sp = 2;
  ExpectRefused(config, "sp is 2", "tp, which is 4");
}

TEST(MindieMapping, TensorParallelGroupsFitIntoANodeOrSpanTheWorld) {
  ParallelConfig config = Sizes(16, 2, 8, 4, 4);
  config.nodes = 2;
  EXPECT_TRUE(MindieMapping::Create(config).ok());
  config.nodes = 4;
  ExpectRefused(config, "tp is 8", "a node has 4 ranks");
  config = Sizes(16, 4, 4, 8, 2);
  config.nodes = 4;
  ExpectRefused(config, "moe_tp is 8", "a node has 4 ranks");
  config = Sizes(16, 1, 16, 16, 1);
  config.nodes = 4;
  EXPECT_TRUE(MindieMapping::Create(config).ok());
  config.nodes = 3;
  ExpectRefused(config, "world size 16", "3 nodes");
}

TEST(MindieMapping, SizesOutOfRangeAreRefusedByName) {
  ExpectRefused(Sizes(0, -1, -1, -1, -1), "world_size is 0", "between 1 and");
  ExpectRefused(Sizes(4, -2, -1, -1, -1), "dp is -2", "between 1 and");
  ExpectRefused(Sizes(-1, 16385, 1, -1, -1), "dp is 16385", "between 1 and 16384");
  ExpectRefused(Sizes(-1, 16384, 16384, -1, -1), "268435456", "at most 16384 ranks");
  EXPECT_TRUE(MindieMapping::Create(Sizes(16384, 1024, 16, 1024, 16)).ok());
}

// Section 2 of the spec, for every rank of the example of the documentation.
TEST(MindieMapping, RanksStandWhereTheReferencePutsThem) {
  const auto mapping = MindieMapping::Create(Sizes(16, 2, 8, 4, 4)).value();
  for (std::uint32_t rank = 0; rank < 16; ++rank) {
    const MindieCoordinates at = mapping.At(rank);
    EXPECT_EQ(at.rank, rank);
    EXPECT_EQ(at.attention_tp, rank % 8);
    EXPECT_EQ(at.moe_tp, rank % 4);
    EXPECT_EQ(at.moe_ep, rank / 4);
  }
  const auto no_ep = MindieMapping::Create(Sizes(4, 2, 2, 4, 1)).value();
  EXPECT_EQ(no_ep.At(3).moe_ep, 0u);
  EXPECT_EQ(no_ep.At(3).moe_tp, 3u);
}

}  // namespace
}  // namespace shardfs
