#include "shardfs/pipeline/run_identity.h"

#include <fmt/format.h>

#include "base/quote_name.h"

namespace shardfs {

std::optional<std::string> DescribeDifference(const RunIdentity& there, const RunIdentity& here) {
  const auto value_of = [](const RunIdentity& run, const std::string& name) {
    for (const auto& [key, value] : run) {
      if (key == name) return QuoteName(value);
    }
    return std::string("not given");
  };
  for (const RunIdentity* side : {&here, &there}) {
    for (const auto& [name, value] : *side) {
      const std::string one = value_of(there, name);
      const std::string other = value_of(here, name);
      if (one != other) return fmt::format("{} is {} there and {} here", QuoteName(name), one, other);
    }
  }
  return std::nullopt;
}

}  // namespace shardfs
