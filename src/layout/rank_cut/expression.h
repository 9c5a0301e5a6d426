// Expression: a size in a rule table: whole numbers, names, + - * / and parentheses, where / rounds down; and
// "config:a.b=EXPR", the number at key a.b of config.json, or EXPR where it is missing or null.
// Source: spec/rank-cuts.md, section 2.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"

namespace shardfs::rank_cut {

class Expression {
 public:
  Expression() = default;  // 0

  static Expression Number(std::uint64_t number);

  // bad-rule for a text that is none.
  static Result<Expression> Parse(std::string_view text);

  const std::string& text() const { return text_; }
  std::vector<std::string> Names() const;  // those that it may need
  bool needs_config() const { return config_key_.has_value(); }

  // What the names stand for, and config.json (null where there is none).
  struct Context {
    std::function<Result<std::int64_t>(const std::string&)> value_of;
    const JsonValue* config = nullptr;
  };

  // bad-rule for a division by 0 or a number beyond 63 bits; unknown-dim for a key that config.json lacks, or that is
  // no whole number there; otherwise what value_of refuses.
  Result<std::int64_t> Evaluate(const Context& context) const;

 private:
  // In reverse Polish notation: a number, a name, or an operator over the two values before it.
  struct Step {
    char op = 0;  // '#' number, '$' name, or + - * /
    std::int64_t number = 0;
    std::string name;
  };
  class Parser;

  Result<std::int64_t> Compute(const Context& context) const;

  std::string text_ = "0";
  std::optional<std::string> config_key_;
  std::vector<Step> steps_ = {{'#', 0, ""}};  // none: "config:a.b" without a default
};

}  // namespace shardfs::rank_cut
