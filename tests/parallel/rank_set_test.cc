#include "shardfs/parallel/rank_set.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

using Ranks = std::vector<std::uint32_t>;

TEST(RankSet, ParsesRangesAndLists) {
  EXPECT_EQ(RankSet::Parse("0-3,8,12-13", 16)->ranks(), (Ranks{0, 1, 2, 3, 8, 12, 13}));
  EXPECT_EQ(RankSet::Parse("5", 16)->ranks(), (Ranks{5}));
  EXPECT_EQ(RankSet::Parse("3,1,2,1-2", 16)->ranks(), (Ranks{1, 2, 3}));
}

TEST(RankSet, RefusesWhatIsNoListOfRanks) {
  for (const char* text : {"", ",", "1,", ",1", "a", "1-", "-1", "3-1", "1--2", "1 2", "0x1", "99999999999"}) {
    const auto set = RankSet::Parse(text, 16);
    ASSERT_FALSE(set.ok()) << text;
    EXPECT_EQ(set.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(RankSet, RefusesARankOutsideTheWorldNamingBoth) {
  const auto set = RankSet::Parse("0-16", 16);
  ASSERT_FALSE(set.ok());
  EXPECT_NE(set.status().message().find("rank 16"), std::string_view::npos) << set.status();
  EXPECT_NE(set.status().message().find("world size 16"), std::string_view::npos) << set.status();
  // The upper end is checked before anything is made of it.
  EXPECT_FALSE(RankSet::Parse("0-4294967295", 16).ok());
}

TEST(RankSet, IsASet) {
  RankSet set(Ranks{4, 2, 4});
  set.Insert(3);
  set.Insert(2);
  EXPECT_EQ(set.ranks(), (Ranks{2, 3, 4}));
  EXPECT_TRUE(set.Contains(3));
  EXPECT_FALSE(set.Contains(5));
  EXPECT_TRUE(set.Intersects(RankSet::Range(4, 9)));
  EXPECT_FALSE(set.Intersects(RankSet::Range(5, 9)));
  EXPECT_FALSE(set.Intersects(RankSet()));
  EXPECT_EQ(RankSet::All(3).ranks(), (Ranks{0, 1, 2}));
  EXPECT_TRUE(RankSet::Range(3, 3).empty());
}

}  // namespace
}  // namespace shardfs
