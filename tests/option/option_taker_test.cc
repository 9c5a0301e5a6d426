#include "shardfs/option/option_taker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace shardfs {
namespace {

using ::testing::HasSubstr;

constexpr std::array<OptionSpec, 2> kMindie = {
    {{"moe_ep", OptionKind::kCount, "N", "experts", "1"}, {"tp", OptionKind::kCount, "N", "ranks", "1"}}};
constexpr std::array<OptionSpec, 1> kMp = {{{"mp", OptionKind::kCount, "N", "ranks", ""}}};
constexpr std::array<OptionSpec, 1> kCut = {{{"tp", OptionKind::kCount, "N", "ranks", "1"}}};
constexpr std::array<OptionTaker, 3> kAll = {
    {{"layout", "mindie", kMindie}, {"layout", "deepseek-mp", kMp}, {"layout", "rank-cut", kCut}}};

std::string Refusal(const std::string& name, OptionOrigin origin = OptionOrigin::kCommandLine) {
  const auto values = OptionValues::Create({{name, "2", origin, OptionFlagOf(name)}}, SpecsOf(kAll));
  const std::array<OptionTaker, 1> chosen = {kAll[1]};
  const Status status = RequireTaken(*values, chosen, kAll, "deepseek-mp");
  return std::string(status.message());
}

TEST(RequireTakenTest, NamesTheLayoutsThatHaveTheOption) {
  EXPECT_EQ(Refusal("moe_ep"), "the deepseek-mp layout has no --moe-ep; mindie has");
  EXPECT_EQ(Refusal("tp"), "the deepseek-mp layout has no --tp; mindie and rank-cut have");
  EXPECT_EQ(Refusal("mp"), "");
}

TEST(RequireTakenTest, SuggestsTheNearestName) {
  EXPECT_THAT(Refusal("moe_pe"), HasSubstr("did you mean --moe-ep?"));
  EXPECT_THAT(Refusal("nothing_like_it"), HasSubstr("shardfs layouts"));
}

TEST(RequireTakenTest, TheEnvironmentIsNoRequest) { EXPECT_EQ(Refusal("moe_ep", OptionOrigin::kEnvironment), ""); }

}  // namespace
}  // namespace shardfs
