// RenameRules: FROM=>TO over tensor names: the first rule whose FROM matches is applied, and only that one; {1}, {2} in
// TO is the text of the first, second wildcard of FROM. (spec/huggingface-view.md, section 3, step 4)
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_pattern.h"
#include "shardfs/base/result.h"

namespace shardfs {

class RenameRules {
 public:
  // kInvalidArgument for a rule without "=>", a pattern that is wrong, or a {k} beyond FROM's wildcards.
  static Result<RenameRules> Parse(std::span<const std::string> rules);

  // The new name, or `name` where no rule matches. Counts the rule as used.
  std::string Apply(std::string_view name);

  // kInvalidArgument naming the first rule that Apply has never used: a misspelt one must not go unseen.
  Status CheckAllUsed() const;

 private:
  struct Rule {
    std::string text;
    TensorPattern from;
    // TO in pieces: literal texts, and numbers of wildcards from 1; each piece has one of the two.
    struct Piece {
      std::string literal;
      std::size_t wildcard = 0;
    };
    std::vector<Piece> to;
    bool used = false;
  };

  static Result<Rule> ParseRule(const std::string& text);

  std::vector<Rule> rules_;
};

}  // namespace shardfs
