// The pattern becomes a program of a few kinds of instructions with relative jumps, so that the code of an atom can be
// repeated by copying it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/python_regex.h"
#include "base/python_regex_text.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxInstructions = 20'000;
constexpr int kMaxDepth = 100;  // of groups

}  // namespace

class PythonRegexParser {
 public:
  explicit PythonRegexParser(std::string_view pattern) : shown_(pattern), pattern_(DecodePythonText(pattern)) {}

  Result<PythonRegex> Parse() {
    SHARDFS_ASSIGN_OR_RETURN(regex_.program_, Alternatives(0));
    if (at_ < pattern_.size()) return Wrong("has a ')' without its '('");
    regex_.program_.push_back({Op::kMatch, 0, 0});
    regex_.FindTail();
    return std::move(regex_);
  }

 private:
  using Op = PythonRegex::Op;
  using Set = PythonRegex::Set;
  using Code = std::vector<PythonRegex::Instruction>;

  Status Wrong(std::string_view what) const {
    return Status::InvalidArgument(fmt::format("the regular expression {} {}", QuoteName(shown_), what));
  }
  Status NotCovered(std::string_view what) const {
    return Status::NotSupported(
        fmt::format("the regular expression {} has {}, which shardfs does not evaluate", QuoteName(shown_), what));
  }

  bool AtEnd() const { return at_ == pattern_.size(); }
  bool Take(char32_t c) {
    if (AtEnd() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }

  static std::int32_t Size(const Code& code) { return static_cast<std::int32_t>(code.size()); }

  Result<Code> Alternatives(int depth) {
    if (depth > kMaxDepth) return NotCovered("groups nested too deeply");
    SHARDFS_ASSIGN_OR_RETURN(Code code, Sequence(depth));
    while (Take('|')) {
      SHARDFS_ASSIGN_OR_RETURN(const Code other, Sequence(depth));
      Code both = {{Op::kSplit, 1, Size(code) + 2}};
      both.insert(both.end(), code.begin(), code.end());
      both.push_back({Op::kJump, Size(other) + 1, 0});
      both.insert(both.end(), other.begin(), other.end());
      code = std::move(both);
    }
    if (code.size() > kMaxInstructions) return NotCovered("too many repetitions");
    return code;
  }

  Result<Code> Sequence(int depth) {
    Code code;
    while (!AtEnd() && pattern_[at_] != '|' && pattern_[at_] != ')') {
      SHARDFS_ASSIGN_OR_RETURN(Code atom, Atom(depth));
      SHARDFS_ASSIGN_OR_RETURN(atom, Quantified(std::move(atom)));
      code.insert(code.end(), atom.begin(), atom.end());
      if (code.size() > kMaxInstructions) return NotCovered("too many repetitions");
    }
    return code;
  }

  Code SetCode(Set set) {
    regex_.sets_.push_back(std::move(set));
    return {{Op::kSet, static_cast<std::int32_t>(regex_.sets_.size() - 1), 0}};
  }

  Result<Code> Atom(int depth) {
    const char32_t c = pattern_[at_++];
    is_assertion_ = c == '^' || c == '$';
    switch (c) {
      case '(':
        return Group(depth);
      case '[':
        return Class();
      case '.':
        return SetCode({{{'\n', '\n'}}, true});
      case '^':
        return Code{{Op::kTextStart, 0, 0}};
      case '$':
        return Code{{Op::kLineEnd, 0, 0}};
      case '*':
      case '+':
      case '?':
      case '{':
        --at_;
        if (TakeBounds()) return Wrong("has a quantifier with nothing to repeat");
        ++at_;
        return SetCode({{{c, c}}, false});
      case '\\':
        return EscapedAtom();
      default:
        return SetCode({{{c, c}}, false});
    }
  }

  Result<Code> Group(int depth) {
    if (Take('?')) {
      if (Take('P') && Take('<')) {
        while (!AtEnd() && pattern_[at_] != '>') ++at_;
        if (!Take('>')) return Wrong("has a group whose name does not end");
      } else if (!Take(':')) {
        return NotCovered("look-around, a back-reference, a condition or flags");
      }
    }
    SHARDFS_ASSIGN_OR_RETURN(Code code, Alternatives(depth + 1));
    if (!Take(')')) return Wrong("has a '(' without its ')'");
    return code;
  }

  Result<Code> EscapedAtom() {
    if (AtEnd()) return Wrong("ends with a '\\'");
    const char32_t c = pattern_[at_];
    const Op assertion = c == 'A'   ? Op::kTextStart
                         : c == 'Z' ? Op::kTextEnd
                         : c == 'b' ? Op::kBoundary
                         : c == 'B' ? Op::kNoBoundary
                                    : Op::kMatch;
    if (assertion != Op::kMatch) {
      ++at_;
      is_assertion_ = true;
      return Code{{assertion, 0, 0}};
    }
    SHARDFS_ASSIGN_OR_RETURN(Set set, Escape());
    return SetCode(std::move(set));
  }

  // What an escape stands for, in a class or not: at_ is behind the backslash.
  Result<Set> Escape() {
    if (AtEnd()) return Wrong("ends with a '\\'");
    const char32_t c = pattern_[at_++];
    switch (c) {
      case 'd':
      case 'D':
        return Set{{{'0', '9'}}, c == 'D'};
      case 'w':
      case 'W':
        return Set{{{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}}, c == 'W'};
      case 's':
      case 'S':
        return Set{{{' ', ' '}, {'\t', '\r'}, {0x1c, 0x1f}}, c == 'S'};
      case 'n':
        return Set{{{'\n', '\n'}}, false};
      case 't':
        return Set{{{'\t', '\t'}}, false};
      default:
        break;
    }
    if (c >= '1' && c <= '9') return NotCovered("a back-reference");
    if (c < 0x80 && IsPythonWord(c) && c != '_') return NotCovered("an escape of a letter or digit");
    return Set{{{c, c}}, false};
  }

  Result<Code> Class() {
    Set set;
    set.is_negated = Take('^');
    for (bool is_first = true;; is_first = false) {
      if (AtEnd()) return Wrong("has a '[' without its ']'");
      if (!is_first && Take(']')) return SetCode(std::move(set));
      SHARDFS_ASSIGN_OR_RETURN(Set low, ClassItem());
      const bool is_range = at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']';
      if (is_range) {
        ++at_;
        SHARDFS_ASSIGN_OR_RETURN(const Set high, ClassItem());
        if (!IsOne(low) || !IsOne(high) || low.ranges[0].first > high.ranges[0].first) {
          return Wrong("has a range in '[]' whose ends are not in order");
        }
        low.ranges[0].second = high.ranges[0].first;
      }
      AddTo(low, &set);
    }
  }

  Result<Set> ClassItem() {
    const char32_t c = pattern_[at_++];
    if (c == '\\') return Escape();
    return Set{{{c, c}}, false};
  }

  static bool IsOne(const Set& set) {
    return !set.is_negated && set.ranges.size() == 1 && set.ranges[0].first == set.ranges[0].second;
  }

  // Adds what `item` has to the ranges of `set`; that of a negated item is what lies between its ranges.
  static void AddTo(Set item, Set* set) {
    if (!item.is_negated) {
      set->ranges.insert(set->ranges.end(), item.ranges.begin(), item.ranges.end());
      return;
    }
    std::sort(item.ranges.begin(), item.ranges.end());
    char32_t next = 0;
    for (const auto& [low, high] : item.ranges) {
      if (low > next) set->ranges.emplace_back(next, low - 1);
      next = high + 1;
    }
    set->ranges.emplace_back(next, 0x10FFFF);
  }

  std::optional<std::size_t> Number() {
    if (AtEnd() || pattern_[at_] < '0' || pattern_[at_] > '9') return std::nullopt;
    std::size_t number = 0;
    for (; !AtEnd() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
      number = std::min<std::size_t>(number * 10 + (pattern_[at_] - '0'), 10 * kMaxInstructions);
    }
    return number;
  }

  // {m}, {m,}, {,n} or {m,n} at at_; anything else that begins with '{' is text.
  struct Bounds {
    std::size_t least = 0;
    std::optional<std::size_t> most;
  };
  std::optional<Bounds> TakeBounds() {
    const std::size_t begin = at_;
    if (Take('*')) return Bounds{0, std::nullopt};
    if (Take('+')) return Bounds{1, std::nullopt};
    if (Take('?')) return Bounds{0, 1};
    if (!Take('{')) return std::nullopt;
    const auto least = Number();
    const bool has_comma = Take(',');
    const auto most = has_comma ? Number() : least;
    if (Take('}') && (least || has_comma)) return Bounds{least.value_or(0), most};
    at_ = begin;
    return std::nullopt;
  }

  Result<Code> Quantified(Code atom) {
    const bool is_assertion = is_assertion_;
    is_assertion_ = false;
    const auto bounds = TakeBounds();
    if (!bounds) return atom;
    if (Take('+')) return NotCovered("a possessive quantifier");
    Take('?');  // lazy
    if (TakeBounds()) return Wrong("has two quantifiers in a row");
    if (is_assertion) return NotCovered("a repeated assertion");
    const auto [least, most] = *bounds;
    if (most && *most < least) return Wrong("has a repetition whose bounds are not in order");
    const std::size_t copies = most.value_or(least + 1);
    if (copies * (atom.size() + 1) > kMaxInstructions) return NotCovered("too many repetitions");
    Code code;
    for (std::size_t i = 0; i < least; ++i) code.insert(code.end(), atom.begin(), atom.end());
    if (!most) {
      code.push_back({Op::kSplit, 1, Size(atom) + 2});
      code.insert(code.end(), atom.begin(), atom.end());
      code.push_back({Op::kJump, -(Size(atom) + 1), 0});
      return code;
    }
    for (std::size_t left = *most - least; left > 0; --left) {
      code.push_back({Op::kSplit, 1, static_cast<std::int32_t>(left) * (Size(atom) + 1)});
      code.insert(code.end(), atom.begin(), atom.end());
    }
    return code;
  }

  const std::string_view shown_;
  const std::u32string pattern_;
  std::size_t at_ = 0;
  bool is_assertion_ = false;  // whether the last atom was one
  PythonRegex regex_;
};

Result<PythonRegex> PythonRegex::Parse(std::string_view pattern) { return PythonRegexParser(pattern).Parse(); }

}  // namespace shardfs
