#include "layout/rank_cut/dims.h"

#include <fmt/format.h>

#include <set>

#include "base/nearest_name.h"
#include "base/quote_name.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {

// Computes dims behind those that they need.
struct Dims::Maker {
  const std::map<std::string, Expression>& expressions;
  Dims& dims;
  std::set<std::string> open = {};  // dims that are looked at

  Status Make(const std::string& name) {
    if (dims.values_.contains(name)) return Status::Ok();
    const auto dim = expressions.find(name);
    if (dim == expressions.end()) return dims.NoName(name);
    if (!open.insert(name).second) return Refuse("bad-rule", fmt::format("dim {} needs itself", QuoteName(name)));
    for (const std::string& needed : dim->second.Names()) SHARDFS_RETURN_IF_ERROR(Make(needed));
    open.erase(name);
    dims.values_.emplace(name, dims.Compute(dim->second));
    return Status::Ok();
  }
};

Result<Dims> Dims::Create(std::vector<std::pair<std::string, Expression>> dims,
                          std::map<std::string, std::uint64_t> sizes, const JsonValue* config) {
  Dims made;
  made.config_ = config;
  for (const auto& [name, size] : sizes) made.values_.emplace(name, static_cast<std::int64_t>(size));
  const std::map<std::string, Expression> expressions(dims.begin(), dims.end());
  Maker maker{expressions, made};
  for (const auto& [name, expression] : expressions) SHARDFS_RETURN_IF_ERROR(maker.Make(name));
  return made;
}

Status Dims::NoName(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& [known, value] : values_) names.push_back(known);
  return Refuse("unknown-dim", fmt::format("{} is no name of dims{}", QuoteName(name), DidYouMean(name, names)));
}

Result<std::int64_t> Dims::ValueOf(const std::string& name) const {
  const auto value = values_.find(name);
  if (value != values_.end()) return value->second;
  return NoName(name);
}

Result<std::int64_t> Dims::Compute(const Expression& expression) const {
  return expression.Evaluate({[this](const std::string& name) { return ValueOf(name); }, config_});
}

Result<std::uint64_t> Dims::Evaluate(const Expression& expression, const std::string& what) const {
  SHARDFS_ASSIGN_OR_RETURN(const std::int64_t value, Compute(expression));
  if (value >= 0) return static_cast<std::uint64_t>(value);
  return Refuse("bad-rule", fmt::format("{}: {} is {}, below 0", what, QuoteName(expression.text()), value));
}

}  // namespace shardfs::rank_cut
