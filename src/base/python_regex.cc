// A program of instructions runs over the text with all of its threads at once (Thompson's construction): a step takes
// each thread that stands at a set over one code point, and no two threads stand at one instruction. That there is a
// match does not depend on which thread finds it, so greedy and lazy quantifiers are one.
#include "base/python_regex.h"

#include <algorithm>

#include "base/python_regex_text.h"

namespace shardfs {

std::u32string DecodePythonText(std::string_view text) {
  std::u32string points;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : byte >> 3 == 30 ? 4 : 0;
    char32_t point = length == 1 ? byte : byte & (0x7fu >> length);
    bool whole = length != 0 && i + length <= text.size();
    for (std::size_t k = 1; whole && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      whole = next >> 6 == 2;
      point = point << 6 | (next & 0x3f);
    }
    points.push_back(whole ? point : char32_t{0xDC00} + byte);
    i += whole ? length : 1;
  }
  return points;
}

bool IsPythonWord(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool PythonRegex::Set::Has(char32_t c) const {
  const bool found = std::any_of(ranges.begin(), ranges.end(),
                                 [c](const auto& range) { return range.first <= c && c <= range.second; });
  return found != is_negated;
}

// The instructions at which threads stand, at one place of the text.
class PythonRegex::Threads {
 public:
  Threads(const PythonRegex& regex, const std::u32string& text)
      : regex_(regex), text_(text), seen_(regex.program_.size(), 0) {}

  // Follows jumps and assertions from instruction `start` at place `at`, and keeps the sets at which they end.
  void Add(std::size_t start, std::size_t at) {
    pending_.push_back(start);
    while (!pending_.empty()) {
      const std::size_t place = pending_.back();
      pending_.pop_back();
      if (seen_[place] == at + 1) continue;
      seen_[place] = at + 1;
      const Instruction& instruction = regex_.program_[place];
      const auto go = [&](std::int32_t by) {
        pending_.push_back(static_cast<std::size_t>(static_cast<std::int64_t>(place) + by));
      };
      if (instruction.op == Op::kMatch) {
        matched_ = true;
      } else if (instruction.op == Op::kSet) {
        standing_.push_back(place);
      } else if (instruction.op == Op::kSplit) {
        go(instruction.second);
        go(instruction.first);
      } else if (instruction.op == Op::kJump) {
        go(instruction.first);
      } else if (Holds(instruction.op, at)) {
        go(1);
      }
    }
  }

  // Takes the threads over the code point at `at`.
  void Step(std::size_t at) {
    const std::vector<std::size_t> before = std::move(standing_);
    standing_.clear();
    for (const std::size_t place : before) {
      const Set& set = regex_.sets_[static_cast<std::size_t>(regex_.program_[place].first)];
      if (set.Has(text_[at])) Add(place + 1, at + 1);
    }
  }

  bool matched() const { return matched_; }

 private:
  bool Holds(Op assertion, std::size_t at) const {
    const bool is_end = at == text_.size();
    const bool is_word_before = at > 0 && IsPythonWord(text_[at - 1]);
    const bool is_word_behind = !is_end && IsPythonWord(text_[at]);
    switch (assertion) {
      case Op::kTextStart:
        return at == 0;
      case Op::kTextEnd:
        return is_end;
      case Op::kLineEnd:
        return is_end || (at + 1 == text_.size() && text_[at] == '\n');
      case Op::kBoundary:
        return is_word_before != is_word_behind;
      default:
        return is_word_before == is_word_behind;
    }
  }

  const PythonRegex& regex_;
  const std::u32string& text_;
  std::vector<std::size_t> seen_;  // 1 + the place in the text at which a thread came to the instruction
  std::vector<std::size_t> standing_;
  std::vector<std::size_t> pending_;
  bool matched_ = false;
};

// The sets in front of a '$' at the program's end, as far back as no jump leads into them or past them.
void PythonRegex::FindTail() {
  if (program_.size() < 2 || program_[program_.size() - 2].op != Op::kLineEnd) return;
  const std::size_t end = program_.size() - 2;
  std::size_t first = 0;
  for (std::size_t i = 0; i < program_.size(); ++i) {
    const Instruction& one = program_[i];
    if (one.op != Op::kSplit && one.op != Op::kJump) continue;
    for (const std::int32_t by : {one.first, one.op == Op::kSplit ? one.second : one.first}) {
      first = std::max(first, static_cast<std::size_t>(static_cast<std::int64_t>(i) + by));
    }
  }
  std::size_t begin = end;
  while (begin > first && program_[begin - 1].op == Op::kSet) --begin;
  for (std::size_t i = begin; i < end; ++i) tail_.push_back(static_cast<std::uint32_t>(program_[i].first));
}

bool PythonRegex::HasTail(const std::u32string& text) const {
  if (text.ends_with(U'\n')) return true;  // '$' may stand before it
  if (text.size() < tail_.size()) return false;
  for (std::size_t i = 1; i <= tail_.size(); ++i) {  // the last first: names differ there
    if (!sets_[tail_[tail_.size() - i]].Has(text[text.size() - i])) return false;
  }
  return true;
}

bool PythonRegex::Run(std::string_view text, bool anywhere) const {
  const std::u32string points = DecodePythonText(text);
  if (!HasTail(points)) return false;  // most patterns of a list end there
  Threads threads(*this, points);
  for (std::size_t at = 0;; ++at) {
    if (at == 0 || anywhere) threads.Add(0, at);
    if (threads.matched() || at == points.size()) return threads.matched();
    threads.Step(at);
  }
}

}  // namespace shardfs
