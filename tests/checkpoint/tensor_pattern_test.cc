#include "checkpoint/tensor_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

std::optional<std::vector<std::string_view>> Match(std::string_view pattern, std::string_view name) {
  const auto parsed = TensorPattern::Parse(pattern);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->Match(name) : std::nullopt;
}

TEST(TensorPatternTest, MatchesTheWholeName) {
  EXPECT_TRUE(Match("lm_head.weight", "lm_head.weight"));
  EXPECT_FALSE(Match("lm_head", "lm_head.weight"));
  EXPECT_FALSE(Match("weight", "lm_head.weight"));
  EXPECT_TRUE(Match("", ""));
}

TEST(TensorPatternTest, AStarStaysWithinAPart) {
  EXPECT_THAT(Match("lm_head.*", "lm_head.weight"), Optional(ElementsAre("weight")));
  EXPECT_FALSE(Match("lm_head.*", "lm_head.a.weight"));
  EXPECT_THAT(Match("a.*b", "a.b"), Optional(ElementsAre("")));
}

TEST(TensorPatternTest, TwoStarsStandForAnything) {
  EXPECT_THAT(Match("model.**", "model.layers.1.w"), Optional(ElementsAre("layers.1.w")));
  EXPECT_THAT(Match("**.w", "a.w.w"), Optional(ElementsAre("a.w")));
  EXPECT_THAT(Match("**.self_attn.{q_proj,o_proj}.weight", "model.layers.0.self_attn.o_proj.weight"),
              Optional(ElementsAre("model.layers.0", "o_proj")));
}

TEST(TensorPatternTest, NumbersOfARangeHaveNoLeadingZeros) {
  for (const char* name : {"e.4.w", "e.15.w", "e.9.w"}) EXPECT_TRUE(Match("e.{4..15}.w", name)) << name;
  for (const char* name : {"e.3.w", "e.16.w", "e.04.w", "e..w", "e.a.w", "e.99999999999999999999.w"}) {
    EXPECT_FALSE(Match("e.{4..15}.w", name)) << name;
  }
  EXPECT_TRUE(Match("e.{0..0}.w", "e.0.w"));
  EXPECT_THAT(Match("l.{L}.e.{E}", "l.12.e.007"), Optional(ElementsAre("12", "007")));
}

TEST(TensorPatternTest, WildcardsTakeAsMuchAsTheyCanFromTheLeft) {
  EXPECT_THAT(Match("*_*", "a_b_c"), Optional(ElementsAre("a_b", "c")));
  EXPECT_THAT(Match("{a,ab}*", "abc"), Optional(ElementsAre("ab", "c")));
  EXPECT_THAT(Match("{L}5", "155"), Optional(ElementsAre("15")));
}

TEST(TensorPatternTest, CostsTheProductOfBothLengths) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "**a";
  EXPECT_FALSE(Match(pattern + "b", std::string(4000, 'a')));  // would not end if it were tried by force
}

TEST(TensorPatternTest, SaysWhatIsWrong) {
  const auto refusal = [](std::string_view pattern) {
    const auto parsed = TensorPattern::Parse(pattern);
    return parsed.ok() ? std::string() : std::string(parsed.status().message());
  };
  EXPECT_THAT(refusal("a.{b"), HasSubstr("not closed"));
  EXPECT_THAT(refusal("a.{5..3}"), HasSubstr("5..3"));
  EXPECT_THAT(refusal("a.{}"), HasSubstr("no text"));
}

}  // namespace
}  // namespace shardfs
