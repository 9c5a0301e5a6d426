// PythonRegex: regular expressions of Python's `re`, as the files of Python programs hold them, matched in time
// proportional to pattern times text: a pattern from a file must not be able to keep a mount busy.
//
// Literals, ".", classes, \d \D \w \W \s \S (of ASCII), ^ $ \A \Z \b \B, groups of each kind, "|", * + ? {m,n} and
// their lazy forms. Texts are UTF-8, and "." is a code point. What needs backtracking (look-around, back-references,
// conditions), flags and possessive quantifiers are not supported.
//
// Immutable; const members from any number of threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

class PythonRegex {
 public:
  // kInvalidArgument for what Python refuses too, kNotSupported for what is not covered here, or grows too large.
  static Result<PythonRegex> Parse(std::string_view pattern);

  bool MatchesAtStart(std::string_view text) const { return Run(text, false); }  // bool(re.match(pattern, text))
  bool MatchesAnywhere(std::string_view text) const { return Run(text, true); }  // bool(re.search(pattern, text))

  // What a match costs at most is proportional to this times the text's length.
  std::size_t size() const { return program_.size(); }

 private:
  friend class PythonRegexParser;

  enum class Op : std::uint8_t { kSet, kSplit, kJump, kTextStart, kTextEnd, kLineEnd, kBoundary, kNoBoundary, kMatch };
  struct Instruction {
    Op op = Op::kMatch;
    std::int32_t first = 0;   // kSplit, kJump: where to go on, from here; kSet: an index of sets_
    std::int32_t second = 0;  // kSplit
  };
  struct Set {
    std::vector<std::pair<char32_t, char32_t>> ranges;  // inclusive
    bool is_negated = false;
    bool Has(char32_t c) const;
  };
  class Threads;

  void FindTail();
  bool HasTail(const std::u32string& text) const;
  bool Run(std::string_view text, bool anywhere) const;

  std::vector<Instruction> program_;
  std::vector<Set> sets_;
  std::vector<std::uint32_t> tail_;  // where the pattern ends with '$': sets that the text's end must go through
};

}  // namespace shardfs
