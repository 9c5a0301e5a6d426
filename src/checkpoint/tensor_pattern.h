// TensorPattern: the pattern language over tensor names, of `select`, `drop`, `rename` and of rule tables.
//
// A pattern matches the whole name. "*" stands for any text without a dot, also none; "**" for any text; "{a,b}" for
// one of the texts; "{m..n}" for a number from m to n without leading zeros; "{L}" and "{E}" for any number. All else
// is literal. Wildcards take as much as they can, from the left.
// Source: spec/huggingface-view.md, section 3; spec/rank-cuts.md, section 2.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

class TensorPattern {
 public:
  // kInvalidArgument for a brace that is not closed, an empty choice, or a range whose end is below its begin.
  static Result<TensorPattern> Parse(std::string_view text);

  // The text of each wildcard, in order, or nothing where the name does not match. Takes time in proportion to the
  // product of both lengths at most.
  std::optional<std::vector<std::string_view>> Match(std::string_view name) const;
  bool Matches(std::string_view name) const;

  std::size_t wildcards() const { return wildcards_; }
  const std::string& text() const { return text_; }

 private:
  struct Part {
    enum class Kind : std::uint8_t { kLiteral, kWithinPart, kAnything, kChoice, kNumber };
    Kind kind = Kind::kLiteral;
    std::vector<std::string> texts;                         // kLiteral: one; kChoice: longest first
    std::optional<std::pair<std::uint64_t, std::uint64_t>> range;  // kNumber: inclusive; without it any number
  };
  struct Search;

  static Result<Part> ParseBraces(std::string_view inner, std::string_view pattern);

  std::string text_;
  std::vector<Part> parts_;
  std::size_t wildcards_ = 0;
};

}  // namespace shardfs
