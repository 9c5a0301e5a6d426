#include "tools/shape_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardfs::tools {
namespace {

using ::testing::HasSubstr;

ModelConfig Config() {
  static constexpr ConfigEntry kEntries[] = {
      {"hidden", "96"}, {"heads", "8"}, {"rank", "null"}, {"tied", "true"}, {"rate", "0.5"}};
  return ModelConfig(kEntries);
}

TEST(EvaluateTest, SumsOfProducts) {
  const ModelConfig config = Config();
  EXPECT_EQ(Evaluate("hidden", {config}).value(), 96u);
  EXPECT_EQ(Evaluate("2 * hidden", {config}).value(), 192u);
  EXPECT_EQ(Evaluate("hidden*3/heads + heads * 2+1", {config}).value(), 53u);
  EXPECT_EQ(Evaluate("rank + tied", {config}).value(), 1u);
  EXPECT_EQ(Evaluate("layer * heads", {config, 5}).value(), 40u);
}

TEST(EvaluateTest, NamesWhatIsWrong) {
  const ModelConfig config = Config();
  const auto message = [&](std::string_view expression) {
    const auto result = Evaluate(expression, {config});
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument) << expression;
    return std::string(result.status().message());
  };
  EXPECT_THAT(message("hidden / 7"), HasSubstr("96 is not a multiple of 7"));
  EXPECT_THAT(message("hidden / rank"), HasSubstr("96 is not a multiple of 0"));
  EXPECT_THAT(message("width"), HasSubstr("no key width"));
  EXPECT_THAT(message("layer"), HasSubstr("no key layer"));
  EXPECT_THAT(message("rate"), HasSubstr("0.5"));
  EXPECT_THAT(message("hidden *"), HasSubstr("missing"));
  EXPECT_THAT(message("hidden ) 2"), HasSubstr("\") 2\""));
  EXPECT_THAT(message("18446744073709551615 * 2"), HasSubstr("64 bits"));
  EXPECT_THAT(message("18446744073709551615 + 1"), HasSubstr("64 bits"));
}

TEST(HoldsTest, ComparesAndJoins) {
  const ModelConfig config = Config();
  EXPECT_TRUE(Holds("", {config}).value());
  EXPECT_TRUE(Holds("rank < 1", {config}).value());
  EXPECT_FALSE(Holds("tied < 1", {config}).value());
  EXPECT_TRUE(Holds("layer >= 3", {config, 3}).value());
  EXPECT_FALSE(Holds("layer >= 3", {config, 2}).value());
  EXPECT_TRUE(Holds("layer >= 3 and heads < hidden", {config, 4}).value());
  EXPECT_FALSE(Holds("layer >= 3 and hidden < heads", {config, 4}).value());
  EXPECT_FALSE(Holds("heads < 1 and absent < 1", {config}).value());
  EXPECT_FALSE(Holds("heads", {config}).ok());
  EXPECT_FALSE(Holds("heads > 1", {config}).ok());
}

}  // namespace
}  // namespace shardfs::tools
