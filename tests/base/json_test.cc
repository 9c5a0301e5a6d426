#include "shardfs/base/json.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(JsonValueTest, AccessorsAnswerForTheirOwnTypeOnly) {
  EXPECT_TRUE(JsonValue::Null().is_null());
  EXPECT_EQ(JsonValue::Bool(true).AsBool(), true);
  EXPECT_EQ(JsonValue::Bool(true).AsInt64(), std::nullopt);
  EXPECT_EQ(JsonValue::Integer(-7).AsInt64(), -7);
  EXPECT_EQ(JsonValue::String("7").AsInt64(), std::nullopt);
  EXPECT_EQ(JsonValue::String("text").AsString(), "text");
  EXPECT_EQ(JsonValue::Integer(1).AsString(), std::nullopt);
  EXPECT_TRUE(JsonValue::Integer(1).members().empty());
}

TEST(JsonValueTest, NumbersAreIntegersOrFloatsByTheirDigits) {
  EXPECT_EQ(JsonValue::Number("123").type(), JsonValue::Type::kInteger);
  EXPECT_EQ(JsonValue::Number("1.0").type(), JsonValue::Type::kFloat);
  EXPECT_EQ(JsonValue::Number("1e2").type(), JsonValue::Type::kFloat);
  EXPECT_EQ(JsonValue::Number("1E2").type(), JsonValue::Type::kFloat);
  EXPECT_EQ(JsonValue::Number("-0").text(), "0");
}

TEST(JsonValueTest, IntegersBeyond64BitsKeepTheirDigits) {
  const JsonValue big = JsonValue::Number("123456789012345678901234567890");
  EXPECT_TRUE(big.is_integer());
  EXPECT_EQ(big.AsInt64(), std::nullopt);
  EXPECT_EQ(big.text(), "123456789012345678901234567890");
  EXPECT_EQ(JsonValue::Number("9223372036854775807").AsInt64(), INT64_MAX);
  EXPECT_EQ(JsonValue::Number("9223372036854775808").AsInt64(), std::nullopt);
}

TEST(JsonValueTest, FindsMembersByKey) {
  const JsonValue object = JsonValue::Object({{"a", JsonValue::Integer(1)}, {"b", JsonValue::Integer(2)}});
  ASSERT_NE(object.Find("b"), nullptr);
  EXPECT_EQ(object.Find("b")->AsInt64(), 2);
  EXPECT_EQ(object.Find("c"), nullptr);
  EXPECT_EQ(JsonValue::Integer(1).Find("a"), nullptr);
}

TEST(JsonValueTest, WithMemberKeepsThePlaceOfAnOldKeyAndAppendsANewOne) {
  const JsonValue object = JsonValue::Object({{"a", JsonValue::Integer(1)}, {"b", JsonValue::Integer(2)}});
  const JsonValue changed = object.WithMember("a", JsonValue::String("x")).WithMember("c", JsonValue::Null());
  ASSERT_EQ(changed.members().size(), 3u);
  EXPECT_EQ(changed.members()[0].first, "a");
  EXPECT_EQ(changed.members()[0].second.AsString(), "x");
  EXPECT_EQ(changed.members()[2].first, "c");
  EXPECT_EQ(object.Find("a")->AsInt64(), 1);  // the original is as it was
}

}  // namespace
}  // namespace shardfs
