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
  EXPECT_THAT(std::string(value.status().message()), HasSubstr("'test.json'"));
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

TEST(ParseJsonTest, SaysWhereAKeyStandsAgain) {
  ExpectRefused("{\n  \"b\": {\"a\": [\"a\", {\"a\": 1}]},\n  \"a\": \"a\",\n  \"a\": 2\n}", StatusCode::kCorruption,
                "key 'a' stands twice in one object, again at line 4, column 3 (byte ");
  ExpectRefused(R"({"\u0061": 1, "a": 2})", StatusCode::kCorruption, "key 'a' stands twice in one object");
}

TEST(ParseJsonTest, SameKeyInDifferentObjectsIsNoDuplicate) { Parsed(R"([{"a": 1}, {"a": {"a": 2}}])"); }

TEST(ParseJsonTest, RefusesWhatIsNoJson) {
  ExpectRefused("{", StatusCode::kCorruption, "line 1, column 2 (byte 2)");
  ExpectRefused("{} x", StatusCode::kCorruption, "line 1, column 4 (byte 4): 'x' after '{}'");
  ExpectRefused("{'a': 1}", StatusCode::kCorruption,
                "line 1, column 2 (byte 2): ''a': 1}' after '{'; strings stand in");
  ExpectRefused("[NaN]", StatusCode::kCorruption, "line 1, column 2 (byte 2): 'NaN]' after '['");
  ExpectRefused("[1, nulx]", StatusCode::kCorruption, "line 1, column 5 (byte 5): 'nulx]' after '[1,'");
  ExpectRefused("[1,]", StatusCode::kCorruption,
                "line 1, column 4 (byte 4): ']' after '[1,'; there is a comma too many");
  ExpectRefused("// comment\n1", StatusCode::kCorruption, "line 1, column 1 (byte 1): '// comment'; JSON has no");
}

TEST(ParseJsonTest, SaysWhereAnEditorFindsTheMistake) {
  ExpectRefused("{\n  \"dp\": 2\n  \"tp\": 4\n}", StatusCode::kCorruption,
                "'test.json': not valid JSON at line 3, column 3 (byte 15): '\"tp\": 4' after '\"dp\": 2'; a comma");
  ExpectRefused("{\r\n  \"dp\": 2,\r\n}\r\n", StatusCode::kCorruption,
                "line 3, column 1 (byte 16): '}' after '\"dp\": 2,'");
  ExpectRefused("{\"\u00e9\u00e9\": x}", StatusCode::kCorruption, "line 1, column 8 (byte 10): 'x}'");
  ExpectRefused("{\n\"a\": \"b\n}", StatusCode::kCorruption,
                "a line end or another control character in a string at line 2");
}

TEST(ParseJsonTest, TheTextOfAMessageIsShortAndHarmless) {
  const std::string mistake = "\"\x1b[2J\" \x1b[2J" + std::string(1'000'000, 'x');
  const auto value = ParseJson("[" + std::string(1'000'000, ' ') + mistake + "]", "test.json");
  ASSERT_FALSE(value.ok());
  EXPECT_LT(value.status().message().size(), 400u);
  EXPECT_EQ(value.status().message().find('\x1b'), std::string_view::npos) << value.status();
  EXPECT_THAT(std::string(value.status().message()), HasSubstr("line 1, column 100000"));
}

TEST(ParseJsonTest, NamesAFileOfAnotherKind) {
  ExpectRefused("", StatusCode::kCorruption, "'test.json' is empty (0 bytes)");
  ExpectRefused("version https://git-lfs.github.com/spec/v1\noid sha256:07\nsize 7\n", StatusCode::kCorruption,
                "'test.json' is a git-lfs pointer in place of the file; run `git lfs pull`");
  ExpectRefused("\n<!DOCTYPE html><title>404</title>", StatusCode::kCorruption, "'test.json' is an HTML page");
  ExpectRefused(std::string(4096, '\0'), StatusCode::kCorruption, "nothing but zeros");
  ExpectRefused("PK\3\4 and so on, and more than the limit", StatusCode::kCorruption, "zip", {.max_bytes = 8});
  ExpectRefused("Entry not found", StatusCode::kCorruption, "line 1, column 1 (byte 1): 'Entry not found'");
}

TEST(ParseJsonTest, RefusesWhatTheReaderWouldTakeInSilence) {
  ExpectRefused(std::string_view("{}\0{}", 5), StatusCode::kCorruption, "NUL at line 1, column 3 (byte 3)");
  ExpectRefused("\xEF\xBB\xBF{}", StatusCode::kCorruption, "byte order mark");
}

TEST(ParseJsonTest, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\""}) {
    ExpectRefused(text, StatusCode::kCorruption, "not valid UTF-8 at line 1, column ");
  }
  ExpectRefused("\"\xff\"", StatusCode::kCorruption, "not valid UTF-8 at line 1, column 2 (byte 2): '\\xff\"'");
  ExpectRefused("\"\\ud800\"", StatusCode::kCorruption, "half of a surrogate pair at line 1, column 8 (byte 8)");
  ExpectRefused("\"\\udc00\"", StatusCode::kCorruption, "not valid JSON: half of a surrogate pair");
}

// What the document itself says does not choose the sentence.
TEST(ParseJsonTest, SaysWhatIsWrongInOneSentenceEach) {
  ExpectRefused("{\"a\": [1", StatusCode::kCorruption,
                "it ends, unfinished, at line 1, column 9 (byte 9): after '{\"a\"");
  ExpectRefused("\"abc", StatusCode::kCorruption, "it ends, unfinished, at line 1, column 5 (byte 5)");
  ExpectRefused("[1e400]", StatusCode::kCorruption, "a number is too large at line 1, column 2 (byte 2): '1e400]'");
  for (const char* token : {"ill-formed UTF-8", "surrogate U+", "missing closing quote", "unexpected end of input"}) {
    const std::string text = "[\"" + std::string(token) + "\\x\"]";
    ExpectRefused(text, StatusCode::kCorruption,
                  "not valid JSON: a string is wrong at line 1, column " + std::to_string(text.size() - 2));
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
