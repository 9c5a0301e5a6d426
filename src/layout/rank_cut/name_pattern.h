// NamePattern: a pattern of a rule table over tensor names, which knows its {L} and {E}; OutputName: what a tensor is
// called in the files. Source: spec/rank-cuts.md, section 2.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_pattern.h"
#include "shardfs/base/result.h"

namespace shardfs::rank_cut {

class NamePattern {
 public:
  // bad-rule for a text that is no pattern, or has {L} or {E} twice.
  static Result<NamePattern> Parse(std::string_view text);

  struct Found {
    std::vector<std::string_view> wildcards;  // the text of each, in order
    std::optional<std::uint64_t> layer;       // of {L}
    std::optional<std::uint64_t> expert;      // of {E}
  };
  // Nothing where the name does not match, or a number of {L} or {E} is beyond 63 bits.
  std::optional<Found> Match(std::string_view name) const;
  bool Matches(std::string_view name) const { return MayMatch(name) && pattern_.Matches(name); }

  const std::string& text() const { return pattern_.text(); }
  std::size_t wildcards() const { return pattern_.wildcards(); }
  std::optional<std::size_t> layer_wildcard() const { return layer_; }    // the place of {L} among the wildcards
  std::optional<std::size_t> expert_wildcard() const { return expert_; }  // of {E}

 private:
  bool MayMatch(std::string_view name) const;

  TensorPattern pattern_;
  std::string prefix_;  // before the first wildcard
  std::string suffix_;  // behind the last
  std::optional<std::size_t> layer_;
  std::optional<std::size_t> expert_;
};

// A name with {L}, {E}, and {1}, {2} for the text of the first, second wildcard of the pattern.
class OutputName {
 public:
  // bad-rule for a brace that is not closed, or one that stands for nothing of `pattern`.
  static Result<OutputName> Parse(std::string_view text, const NamePattern& pattern);

  // The name of a tensor that `pattern` has found, its layer and expert numbers replaced by these.
  std::string Of(const NamePattern::Found& found, std::optional<std::uint64_t> layer,
                 std::optional<std::uint64_t> expert) const;

 private:
  struct Piece {
    std::string literal;
    std::size_t wildcard = 0;  // from 1; 0: the literal
    bool is_layer = false;
    bool is_expert = false;
  };
  std::vector<Piece> pieces_;
};

// `name` as it is, its layer and expert numbers replaced by these.
std::string Renumbered(std::string_view name, const NamePattern& pattern, const NamePattern::Found& found,
                       std::optional<std::uint64_t> layer, std::optional<std::uint64_t> expert);

}  // namespace shardfs::rank_cut
