#include "verify/verifier_json.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

std::optional<JsonDifference> Compare(std::string_view expected, std::string_view actual) {
  return FindJsonDifference(ParseJson(expected, "expected").value(), ParseJson(actual, "actual").value());
}

void ExpectDifference(std::string_view expected, std::string_view actual, const JsonDifference& wanted) {
  const auto difference = Compare(expected, actual);
  ASSERT_TRUE(difference.has_value()) << expected << " and " << actual;
  EXPECT_EQ(difference->place, wanted.place);
  EXPECT_EQ(difference->expected, wanted.expected);
  EXPECT_EQ(difference->actual, wanted.actual);
}

TEST(VerifierJsonTest, OrderAndWhiteSpaceDoNotCount) {
  EXPECT_FALSE(
      Compare(R"({"a": [1, 2, {"b": 3, "c": [4, 5]}], "d": null})", R"({"d":null,"a":[{"c":[5,4],"b":3},2,1]})"));
  EXPECT_FALSE(Compare("[]", "[ ]"));
  EXPECT_FALSE(Compare(R"(["\u00e9"])", "[\"\u00e9\"]"));
}

TEST(VerifierJsonTest, Places) {
  ExpectDifference(R"({"a": {"b": 1}})", R"({"a": {"b": 2}})", {"a.b", "1", "2"});
  ExpectDifference(R"({"a": 1, "b": "x"})", R"({"a": 1})", {"b", "\"x\"", "nothing"});
  ExpectDifference(R"({"a": 1})", R"({"b": [true], "a": 1})", {"b", "nothing", "[true]"});
  ExpectDifference(R"({"a": ["x", "y"]})", R"({"a": ["y", "z"]})", {"a[]", "\"x\"", "\"z\""});
  ExpectDifference("1", "[]", {"", "1", "[]"});
}

TEST(VerifierJsonTest, ItemsCountAsOftenAsTheyStand) {
  ExpectDifference(R"(["x", "x", "y"])", R"(["x", "y", "y"])", {"[]", "\"x\"", "\"y\""});
  ExpectDifference(R"(["x"])", R"(["x", "x"])", {"[]", "nothing", "\"x\""});
}

TEST(VerifierJsonTest, TypesCount) {
  ExpectDifference("1", "\"1\"", {"", "1", "\"1\""});
  ExpectDifference("null", "false", {"", "null", "false"});
  ExpectDifference("[]", "{}", {"", "[]", "{}"});
}

TEST(VerifierJsonTest, LongValuesAreCut) {
  const auto difference = Compare("\"" + std::string(1000, 'x') + "\"", "1");
  ASSERT_TRUE(difference.has_value());
  EXPECT_LT(difference->expected.size(), 200u);
}

}  // namespace
}  // namespace shardfs
