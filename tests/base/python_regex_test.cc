// What Python's re.match and re.search say of the same patterns and texts.
#include "base/python_regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace shardfs {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* pattern;
  const char* text;
  bool at_start;
  bool anywhere;
};

TEST(PythonRegex, MatchesAsPythonDoes) {
  const Case cases[] = {
      {"", "", true, true},
      {"abc", "abcd", true, true},
      {"abc", "xabc", false, true},
      {"a.c", "a\nc", false, false},
      {"a.c",
       "a\xC3\xBC"
       "c",
       true, true},
      {"^b", "ab", false, false},
      {"a$", "ba", false, true},
      {"a$", "a\n", true, true},
      {"a\\Z", "a\n", false, false},
      {"a|bc", "bc", true, true},
      {"(a|b)*c", "abbac", true, true},
      {"(?:ab){2}$", "abab", true, true},
      {"(?:ab){2}$", "ababab", false, true},
      {"a{2,3}b", "aaaab", false, true},
      {"a{,2}$", "aaa", false, true},
      {"a{2,}$", "aaaa", true, true},
      {"(a*)*$", "aaab", false, true},
      {"a+?b??c*?d", "aad", true, true},
      {"[a-c]+[^0-9.]$", "abcx", true, true},
      {"[]a]+$", "]a]", true, true},
      {"[^]a]", "]", false, false},
      {"[\\d.]+$", "1.5", true, true},
      {"[\\D]", "5", false, false},
      {"\\w+\\s\\W", "a_1 -", true, true},
      {"\\bq\\b", "a.q.b", false, true},
      {"\\Bq", "aq", false, true},
      {"(?P<name>q)_proj", "q_proj", true, true},
      {"a{", "a{", true, true},
      {"a{x}", "a{x}", true, true},
      {"(.*\\.)?(layers.1.q_proj)$", "model.layers.11.q_proj", false, false},
      {"(.*\\.)?(layers.1.q_proj)$", "model.layers.1.q_proj", true, true},
      {"(.*\\.)?(q_proj)$", "model.xq_proj", false, true},
      {"(.*\\.)?(^model\\.layers\\.\\d+)$", "model.layers.12", true, true},
      {"(.*\\.)?(^layers)$", "model.layers", false, false},
      {"rank_\\d+\\.ckpt", "x_rank_3.ckpt", false, true},
  };
  for (const Case& one : cases) {
    const auto regex = PythonRegex::Parse(one.pattern);
    ASSERT_TRUE(regex.ok()) << one.pattern << ": " << regex.status();
    EXPECT_EQ(regex->MatchesAtStart(one.text), one.at_start) << one.pattern << " at the start of " << one.text;
    EXPECT_EQ(regex->MatchesAnywhere(one.text), one.anywhere) << one.pattern << " in " << one.text;
  }
}

TEST(PythonRegex, RefusesWhatPythonRefuses) {
  for (const char* const pattern :
       {"(", ")", "a)(b", "[a", "*a", "a**", "a{2}{3}", "{2}", "a|+", "[b-a]", "a{3,2}", "\\"}) {
    const auto regex = PythonRegex::Parse(pattern);
    EXPECT_EQ(regex.status().code(), StatusCode::kInvalidArgument) << pattern << ": " << regex.status();
    EXPECT_THAT(std::string(regex.status().message()), HasSubstr("the regular expression '")) << pattern;
  }
}

TEST(PythonRegex, RefusesWhatItDoesNotCover) {
  for (const char* const pattern : {"(?=a)", "(?!a)", "(?<=a)b", "(a)\\1", "(?i)a", "(?P=x)", "a*+", "\\x41", "$*"}) {
    EXPECT_EQ(PythonRegex::Parse(pattern).status().code(), StatusCode::kNotSupported) << pattern;
  }
  EXPECT_EQ(PythonRegex::Parse("a{1000}{1000}").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PythonRegex::Parse("((a{100}){100}){100}").status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(PythonRegex::Parse(std::string(1000, '(') + std::string(1000, ')')).status().code(),
            StatusCode::kNotSupported);
}

// Exponential for a matcher that goes back: the pattern is about as long as it may be, and so is the text.
TEST(PythonRegex, TakesTimeInProportion) {
  const auto regex = PythonRegex::Parse("((a*)*)*(a|a)*b$");
  ASSERT_TRUE(regex.ok());
  EXPECT_FALSE(regex->MatchesAtStart(std::string(4096, 'a')));
}

}  // namespace
}  // namespace shardfs
