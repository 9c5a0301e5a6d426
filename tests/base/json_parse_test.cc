#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shardfs/base/json.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;

JsonValue Parsed(std::string_view text) {
  auto value = ParseJson(text, "test.json");
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? *value : JsonValue();
}

void ExpectRefused(std::string_view text, StatusCode code, const std::string& part, const JsonLimits& limits = {}) {
  const auto value = ParseJson(text, "test.json", limits);
  ASSERT_FALSE(value.ok()) << text;
  EXPECT_EQ(value.status().code(), code) << value.status();
  EXPECT_THAT(std::string(value.status().message()), HasSubstr("'test.json': "));
  EXPECT_THAT(std::string(value.status().message()), HasSubstr(part));
}

TEST(ParseJsonTest, KeepsTheOrderOfKeysAndNestedValues) {
  const JsonValue value = Parsed(R"({"z": [1, true, null, "s"], "a": {"b": {}}, "m": []})");
  ASSERT_EQ(value.members().size(), 3u);
  EXPECT_EQ(value.members()[0].first, "z");
  EXPECT_EQ(value.members()[1].first, "a");
  const auto& items = value.Find("z")->items();
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(items[0].AsInt64(), 1);
  EXPECT_EQ(items[1].AsBool(), true);
  EXPECT_TRUE(items[2].is_null());
  EXPECT_EQ(items[3].AsString(), "s");
  EXPECT_TRUE(value.Find("a")->Find("b")->is_object());
  EXPECT_TRUE(value.Find("m")->is_array());
}

TEST(ParseJsonTest, TakesAnyValueAtTheTop) {
  EXPECT_EQ(Parsed(" 7 ").AsInt64(), 7);
  EXPECT_EQ(Parsed("\"\\u00e9\\ud83d\\ude00\"").AsString(), "\u00e9\U0001F600");
  EXPECT_TRUE(Parsed("null").is_null());
}

TEST(ParseJsonTest, KeepsTheDigitsOfNumbers) {
  EXPECT_EQ(Parsed("1.50").text(), "1.50");
  EXPECT_EQ(Parsed("1E-06").text(), "1E-06");
  EXPECT_EQ(Parsed("-12").AsInt64(), -12);
  EXPECT_EQ(Parsed("18446744073709551615").text(), "18446744073709551615");
  const JsonValue big = Parsed("-123456789012345678901234567890");
  EXPECT_TRUE(big.is_integer());
  EXPECT_EQ(big.text(), "-123456789012345678901234567890");
  EXPECT_EQ(Parsed("-0").text(), "0");
  EXPECT_EQ(Parsed("-0.0").text(), "-0.0");
}

TEST(ParseJsonTest, RefusesDuplicateKeysAtAnyLevel) {
  ExpectRefused(R"({"a": 1, "b": 2, "a": 3})", StatusCode::kCorruption, "key 'a' stands twice");
  ExpectRefused(R"([{"x": {"k": 1, "k": 1}}])", StatusCode::kCorruption, "key 'k' stands twice");
}

TEST(ParseJsonTest, SameKeyInDifferentObjectsIsNoDuplicate) { Parsed(R"([{"a": 1}, {"a": {"a": 2}}])"); }

TEST(ParseJsonTest, RefusesWhatIsNoJson) {
  ExpectRefused("", StatusCode::kCorruption, "byte 1");
  ExpectRefused("{", StatusCode::kCorruption, "byte 2");
  ExpectRefused("{} x", StatusCode::kCorruption, "byte 4");
  ExpectRefused("{'a': 1}", StatusCode::kCorruption, "byte 2");
  ExpectRefused("[NaN]", StatusCode::kCorruption, "byte 2");
  ExpectRefused("[1,]", StatusCode::kCorruption, "byte 4");
  ExpectRefused("// comment\n1", StatusCode::kCorruption, "byte 1");
}

TEST(ParseJsonTest, RefusesWhatTheReaderWouldTakeInSilence) {
  ExpectRefused(std::string_view("{}\0{}", 5), StatusCode::kCorruption, "NUL at byte 3");
  ExpectRefused("\xEF\xBB\xBF{}", StatusCode::kCorruption, "byte order mark");
}

TEST(ParseJsonTest, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\""}) {
    ExpectRefused(text, StatusCode::kCorruption, "not valid UTF-8 at byte ");
  }
  ExpectRefused("\"\xff\"", StatusCode::kCorruption, "not valid UTF-8 at byte 2");
  ExpectRefused("\"\\ud800\"", StatusCode::kCorruption, "not valid JSON: half of a surrogate pair at byte 8");
  ExpectRefused("\"\\udc00\"", StatusCode::kCorruption, "not valid JSON: half of a surrogate pair");
}

// What the document itself says does not choose the sentence.
TEST(ParseJsonTest, SaysWhatIsWrongInOneSentenceEach) {
  ExpectRefused("{\"a\": [1", StatusCode::kCorruption, "not valid JSON: it ends before byte 9, unfinished");
  ExpectRefused("\"abc", StatusCode::kCorruption, "not valid JSON: it ends before byte 5, unfinished");
  ExpectRefused("[1e400]", StatusCode::kCorruption, "not valid JSON: the number that ends at byte 6 is too large");
  for (const char* token : {"ill-formed UTF-8", "surrogate U+", "missing closing quote", "unexpected end of input"}) {
    const std::string text = "[\"" + std::string(token) + "\\x\"]";
    ExpectRefused(text, StatusCode::kCorruption,
                  "'test.json': not valid JSON at byte " + std::to_string(text.size() - 2));
  }
}

TEST(ParseJsonTest, RefusesFloatsBeyondADouble) { ExpectRefused("[1e400]", StatusCode::kCorruption, "too large"); }

TEST(ParseJsonTest, RefusesBeyondLimits) {
  const JsonLimits limits{.max_bytes = 64, .max_depth = 3, .max_values = 8};
  EXPECT_TRUE(ParseJson("[[[1]]]", "test.json", limits).ok());
  ExpectRefused("[[[[1]]]]", StatusCode::kNotSupported, "deeper than 3", limits);
  ExpectRefused(std::string(65, ' '), StatusCode::kNotSupported, "65 bytes are more than 64", limits);
  ExpectRefused("[1,2,3,4,5,6,7,8]", StatusCode::kNotSupported, "more than 8 values", limits);
}

TEST(ParseJsonTest, DeepNestingEndsEarly) {
  ExpectRefused(std::string(10'000'000, '['), StatusCode::kNotSupported, "deeper than 64");
}

}  // namespace
}  // namespace shardfs
