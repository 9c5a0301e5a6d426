// The expected texts are what CPython's json.dumps(json.loads(text), indent=4) gives.
#include <gtest/gtest.h>

#include "shardfs/base/json.h"

namespace shardfs {
namespace {

std::string Redumped(std::string_view text) {
  const auto value = ParseJson(text, "test.json");
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? DumpPythonJson(*value) : std::string();
}

TEST(DumpPythonJsonTest, IndentsByFour) {
  EXPECT_EQ(Redumped(R"({"a":1,"b":[1,2,{"c":null}],"d":{"e":true,"f":false},"g":[],"h":{}})"),
            "{\n"
            "    \"a\": 1,\n"
            "    \"b\": [\n"
            "        1,\n"
            "        2,\n"
            "        {\n"
            "            \"c\": null\n"
            "        }\n"
            "    ],\n"
            "    \"d\": {\n"
            "        \"e\": true,\n"
            "        \"f\": false\n"
            "    },\n"
            "    \"g\": [],\n"
            "    \"h\": {}\n"
            "}");
}

TEST(DumpPythonJsonTest, EmptyContainersAndScalarsAtTheTop) {
  EXPECT_EQ(Redumped("{}"), "{}");
  EXPECT_EQ(Redumped("[]"), "[]");
  EXPECT_EQ(Redumped("null"), "null");
  EXPECT_EQ(Redumped("\"\""), "\"\"");
}

TEST(DumpPythonJsonTest, Floats) {
  const std::pair<const char*, const char*> cases[] = {
      {"1e-6", "1e-06"},
      {"0.000001", "1e-06"},
      {"1.0", "1.0"},
      {"1.50", "1.5"},
      {"1e0", "1.0"},
      {"1E2", "100.0"},
      {"0.0001", "0.0001"},
      {"0.00012345", "0.00012345"},
      {"0.00001", "1e-05"},
      {"1e15", "1000000000000000.0"},
      {"1e16", "1e+16"},
      {"123456789012345678.0", "1.2345678901234568e+17"},
      {"9007199254740993.0", "9007199254740992.0"},
      {"0.1", "0.1"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"-0.0", "-0.0"},
      {"0e5", "0.0"},
      {"-2.5e-7", "-2.5e-07"},
      {"1e22", "1e+22"},
      {"1e23", "1e+23"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"5e-324", "5e-324"},
      {"2.2250738585072014e-308", "2.2250738585072014e-308"},
      {"1e-400", "0.0"},
      {"10000.0", "10000.0"},
      {"123.456", "123.456"},
      {"40.0", "40.0"},
      {"1.2345678901234567e100", "1.2345678901234567e+100"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Redumped(text), expected) << text;
}

TEST(DumpPythonJsonTest, FloatsBeyondADoubleAreInfinity) {
  EXPECT_EQ(DumpPythonJson(JsonValue::Number("1e400")), "Infinity");
  EXPECT_EQ(DumpPythonJson(JsonValue::Number("-1e400")), "-Infinity");
}

TEST(DumpPythonJsonTest, IntegersInFull) {
  EXPECT_EQ(Redumped("-0"), "0");
  EXPECT_EQ(Redumped("18446744073709551616"), "18446744073709551616");
  EXPECT_EQ(Redumped("-9223372036854775809"), "-9223372036854775809");
  EXPECT_EQ(DumpPythonJson(JsonValue::Integer(INT64_MIN)), "-9223372036854775808");
}

TEST(DumpPythonJsonTest, EscapesAllButPrintableAscii) {
  EXPECT_EQ(Redumped(R"("a\"b\\c\/d")"), R"("a\"b\\c/d")");
  EXPECT_EQ(Redumped(R"("\b\f\n\r\t\u0001\u001f\u007f")"), R"("\b\f\n\r\t\u0001\u001f\u007f")");
  EXPECT_EQ(Redumped("\"\u00e9 \u4e2d\u6587 \uffff\""), R"("\u00e9 \u4e2d\u6587 \uffff")");
  EXPECT_EQ(Redumped("\"\U0001F600\""), R"("\ud83d\ude00")");
  EXPECT_EQ(Redumped("\"<|\uff5cbegin\u2581of\uff5c|>\""), R"("<|\uff5cbegin\u2581of\uff5c|>")");
  EXPECT_EQ(Redumped("{\"\u00e9\": 1}"), "{\n    \"\\u00e9\": 1\n}");
  EXPECT_EQ(Redumped(R"("\u0000")"), R"("\u0000")");
}

TEST(IsUtf8Test, IsOfWholeCharacters) {
  for (const char* text : {"", "a", "\u00e9", "\U0001F600"}) EXPECT_TRUE(IsUtf8(text)) << text;
  for (const char* text : {"\xff", "\xc3", "a\xe4\xb8", "\xc0\x80", "\xed\xa0\x80"}) EXPECT_FALSE(IsUtf8(text)) << text;
}

}  // namespace
}  // namespace shardfs
