#include "layout/rank_cut/table_object.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest_name.h"
#include "base/quote_name.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {

Result<TableObject> TableObject::Create(const JsonValue& value, std::string what,
                                        std::span<const std::string_view> keys) {
  if (!value.is_object()) return Refuse("bad-rule", fmt::format("{} is no JSON object", what));
  std::vector<std::string> unknown;
  for (const JsonMember& member : value.members()) {
    if (std::find(keys.begin(), keys.end(), member.first) == keys.end()) unknown.push_back(member.first);
  }
  if (unknown.empty()) {
    TableObject object;
    object.value_ = &value;
    object.what_ = std::move(what);
    return object;
  }
  constexpr std::size_t kShown = 8;
  std::string list;
  for (std::size_t i = 0; i < std::min(kShown, unknown.size()); ++i) {
    list += (i == 0 ? "" : ", ") + QuoteName(unknown[i]);
  }
  const std::vector<std::string> known(keys.begin(), keys.end());
  return Refuse("bad-rule", fmt::format("unknown key [{}] in {}{}", list, what, DidYouMean(unknown.front(), known)));
}

const JsonValue* TableObject::Find(std::string_view key) const {
  const JsonValue* const value = value_->Find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Status TableObject::Wrong(std::string_view key, std::string_view takes) const {
  return Refuse("bad-rule", fmt::format("{} of {} must be {}", key, what_, takes));
}

Status TableObject::Missing(std::string_view key) const {
  return Refuse("bad-rule", fmt::format("{} has no {}", what_, key));
}

Result<bool> TableObject::Switch(std::string_view key, bool fallback) const {
  const JsonValue* const value = Find(key);
  if (value == nullptr) return fallback;
  if (const auto flag = value->AsBool()) return *flag;
  return Wrong(key, "true or false");
}

Result<std::optional<std::string>> TableObject::Text(std::string_view key) const {
  const JsonValue* const value = Find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (value->is_string() && !value->text().empty()) return std::optional(value->text());
  return Wrong(key, "a text that is not empty");
}

Result<std::string> TableObject::RequiredText(std::string_view key) const {
  SHARDFS_ASSIGN_OR_RETURN(auto text, Text(key));
  if (!text) return Missing(key);
  return *std::move(text);
}

Result<std::optional<std::int64_t>> TableObject::Integer(std::string_view key) const {
  const JsonValue* const value = Find(key);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (const auto number = value->AsInt64()) return number;
  return Wrong(key, "a whole number");
}

Result<std::optional<std::uint64_t>> TableObject::Size(std::string_view key) const {
  SHARDFS_ASSIGN_OR_RETURN(const auto number, Integer(key));
  if (!number) return std::optional<std::uint64_t>();
  if (*number < 1) return Wrong(key, "a whole number of at least 1");
  return std::optional(static_cast<std::uint64_t>(*number));
}

Result<Expression> TableObject::NumberOf(std::string_view key, const JsonValue& value) const {
  if (value.is_string()) {
    auto expression = Expression::Parse(value.text());
    if (!expression.ok()) return expression.status();
    return expression;
  }
  const auto number = value.AsInt64();
  if (!number || *number < 0) return Wrong(key, "a whole number, or an expression of the names of dims");
  return Expression::Number(static_cast<std::uint64_t>(*number));
}

Result<std::optional<Expression>> TableObject::Number(std::string_view key) const {
  const JsonValue* const value = Find(key);
  if (value == nullptr) return std::optional<Expression>();
  SHARDFS_ASSIGN_OR_RETURN(Expression expression, NumberOf(key, *value));
  return std::optional(std::move(expression));
}

Result<Expression> TableObject::RequiredNumber(std::string_view key) const {
  SHARDFS_ASSIGN_OR_RETURN(auto expression, Number(key));
  if (!expression) return Missing(key);
  return *std::move(expression);
}

Result<std::vector<Expression>> TableObject::Numbers(std::string_view key) const {
  SHARDFS_ASSIGN_OR_RETURN(const auto items, Items(key));
  std::vector<Expression> numbers;
  for (const JsonValue* const item : items) {
    SHARDFS_ASSIGN_OR_RETURN(Expression expression, NumberOf(key, *item));
    numbers.push_back(std::move(expression));
  }
  return numbers;
}

Result<std::size_t> TableObject::Choice(std::string_view key, std::span<const std::string_view> choices,
                                        std::size_t fallback) const {
  const JsonValue* const value = Find(key);
  if (value == nullptr) return fallback;
  const auto found = value->is_string() ? std::find(choices.begin(), choices.end(), value->text()) : choices.end();
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  return Wrong(key, fmt::format("{}", fmt::join(choices, " or ")));
}

std::vector<const JsonValue*> TableObject::OneOrMore(std::string_view key) const {
  const JsonValue* const value = Find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) return {value};
  std::vector<const JsonValue*> items;
  for (const JsonValue& item : value->items()) items.push_back(&item);
  return items;
}

Result<std::vector<const JsonValue*>> TableObject::Items(std::string_view key) const {
  const JsonValue* const value = Find(key);
  if (value != nullptr && !value->is_array()) return Wrong(key, "a list");
  return OneOrMore(key);
}

}  // namespace shardfs::rank_cut
