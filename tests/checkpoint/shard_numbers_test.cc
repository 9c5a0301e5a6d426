#include "checkpoint/shard_numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<MissingNumbers> Find(const std::vector<std::string>& names) { return FindMissingNumbers(names); }

TEST(ShardNumbersTest, CompleteSetsMissNothing) {
  EXPECT_THAT(Find({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}), IsEmpty());
  EXPECT_THAT(Find({"model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors"}), IsEmpty()) << "from 0";
  EXPECT_THAT(Find({"model-1-of-1.safetensors", "model.safetensors", "a-of-b.safetensors"}), IsEmpty());
  EXPECT_THAT(Find({"model-00001-of-000000.safetensors", "m-1-of-99999999999999999999.safetensors"}), IsEmpty());
}

TEST(ShardNumbersTest, NamesWhatIsMissing) {
  const auto sets = Find({"model-00002-of-000004.safetensors", "model-00003-of-000004.safetensors"});
  ASSERT_EQ(sets.size(), 1u);
  EXPECT_EQ(sets[0].pattern, "model-*-of-000004.safetensors");
  EXPECT_THAT(sets[0].first, ElementsAre("model-00001-of-000004.safetensors", "model-00004-of-000004.safetensors"));
  EXPECT_EQ(Describe(sets[0]),
            "2 of the 4 files 'model-*-of-000004.safetensors' are missing ('model-00001-of-000004.safetensors', "
            "'model-00004-of-000004.safetensors')");
}

TEST(ShardNumbersTest, KnowsOtherPatterns) {
  EXPECT_THAT(Find({"model.00001-of-00002.safetensors"})[0].first, ElementsAre("model.00002-of-00002.safetensors"));
  EXPECT_THAT(Find({"weights_2_of_2.safetensors"})[0].first, ElementsAre("weights_1_of_2.safetensors"));
  EXPECT_THAT(Find({"model-1-of-2.fp8.safetensors"})[0].first, ElementsAre("model-2-of-2.fp8.safetensors"));
  EXPECT_THAT(Find({"model-10-of-11.safetensors", "model-9-of-11.safetensors"})[0].first,
              ::testing::Contains("model-1-of-11.safetensors"));
}

TEST(ShardNumbersTest, SetsAreApart) {
  const auto sets = Find({"a-1-of-2.safetensors", "a-1-of-3.safetensors", "b-1-of-1.safetensors"});
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].missing, 1u);
  EXPECT_EQ(sets[1].missing, 2u);
}

TEST(ShardNumbersTest, NamesTenAtMost) {
  const auto sets = Find({"a-00007-of-00163.safetensors"});
  EXPECT_EQ(sets[0].missing, 162u);
  EXPECT_EQ(sets[0].first.size(), 10u);
  EXPECT_THAT(Describe(sets[0]), ::testing::HasSubstr(" and 152 more)"));
}

}  // namespace
}  // namespace shardfs
