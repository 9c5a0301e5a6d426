// TableObject: an object of a rule table, whose keys are known: each unknown one, and each value of another type than
// its key takes, is refused as bad-rule with the object's name. A value of null counts as not given.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layout/rank_cut/expression.h"
#include "shardfs/base/json.h"
#include "shardfs/base/result.h"

namespace shardfs::rank_cut {

class TableObject {
 public:
  // `what` is the object's name in messages ("a cut of lm_head.weight"). Borrows `value`.
  static Result<TableObject> Create(const JsonValue& value, std::string what, std::span<const std::string_view> keys);

  const std::string& what() const { return what_; }
  const JsonValue* Find(std::string_view key) const;  // nullptr where it is not given
  Status Wrong(std::string_view key, std::string_view takes) const;
  Status Missing(std::string_view key) const;

  Result<bool> Switch(std::string_view key, bool fallback) const;
  Result<std::optional<std::string>> Text(std::string_view key) const;
  Result<std::string> RequiredText(std::string_view key) const;
  Result<std::optional<std::int64_t>> Integer(std::string_view key) const;
  Result<std::optional<std::uint64_t>> Size(std::string_view key) const;  // an integer of at least 1
  Result<std::optional<Expression>> Number(std::string_view key) const;   // an integer or an expression
  Result<Expression> RequiredNumber(std::string_view key) const;
  Result<std::vector<Expression>> Numbers(std::string_view key) const;  // a list of them
  // The place of the text among `choices`.
  Result<std::size_t> Choice(std::string_view key, std::span<const std::string_view> choices,
                             std::size_t fallback) const;
  // An array's items, or the one value where it is no array; empty where it is not given.
  std::vector<const JsonValue*> OneOrMore(std::string_view key) const;
  Result<std::vector<const JsonValue*>> Items(std::string_view key) const;  // of an array

 private:
  Result<Expression> NumberOf(std::string_view key, const JsonValue& value) const;

  const JsonValue* value_ = nullptr;
  std::string what_;
};

}  // namespace shardfs::rank_cut
