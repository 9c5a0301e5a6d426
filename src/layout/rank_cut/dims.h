// Dims: what the names of a rule table stand for: its dims, and the sizes tp, pp, ep and etp.
//
// A dim that cannot be computed is refused when something needs it, so that a table may name a key of config.json that
// only other models have.
// Immutable once made; thread-safe.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "layout/rank_cut/expression.h"

namespace shardfs::rank_cut {

class Dims {
 public:
  // `config` is null where there is no config.json, and must outlive this. unknown-dim for a dim that needs a name that
  // is none; bad-rule for dims that need each other.
  static Result<Dims> Create(std::vector<std::pair<std::string, Expression>> dims,
                             std::map<std::string, std::uint64_t> sizes, const JsonValue* config);

  // A number of at least 0. `what` begins the message: "units of rule ...". Codes as Expression::Evaluate; unknown-dim
  // for a name that is none.
  Result<std::uint64_t> Evaluate(const Expression& expression, const std::string& what) const;

 private:
  struct Maker;

  Result<std::int64_t> Compute(const Expression& expression) const;
  Result<std::int64_t> ValueOf(const std::string& name) const;
  Status NoName(const std::string& name) const;

  std::map<std::string, Result<std::int64_t>> values_;  // by name, of sizes and dims
  const JsonValue* config_ = nullptr;
};

}  // namespace shardfs::rank_cut
