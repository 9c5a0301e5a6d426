#include "base/json_survey.h"

#include <gtest/gtest.h>

#include <string>

namespace shardfs {
namespace {

TEST(JsonSurveyTest, CountsObjectsOutsideOfStrings) {
  const auto survey = SurveyJson(R"({"a{{\"{": {}, "b": [{}, "\\"]})");
  ASSERT_TRUE(survey.ok()) << survey.status();
  EXPECT_EQ(survey->objects, 3u);
}

TEST(JsonSurveyTest, RefusesNulAndByteOrderMark) {
  EXPECT_EQ(SurveyJson(std::string_view("{\0}", 3)).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(SurveyJson("\xEF\xBB\xBF{}").status().code(), StatusCode::kCorruption);
}

TEST(JsonSurveyTest, RefusesEndlessTokens) {
  const std::string fits(kMaxJsonTokenBytes - 2, 'x');
  EXPECT_TRUE(SurveyJson('"' + fits + '"').ok());
  const std::string endless(kMaxJsonTokenBytes + 1, '1');
  EXPECT_EQ(SurveyJson('"' + endless + '"').status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(SurveyJson(endless).status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(SurveyJson("{\"a\": \"" + endless).status().code(), StatusCode::kNotSupported);
}

}  // namespace
}  // namespace shardfs
