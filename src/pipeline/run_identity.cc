#include "shardfs/pipeline/run_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"
#include "shardfs/option/option_values.h"

namespace shardfs {
namespace {

// IdentityOf and the plan of `materialize` put these beside the options.
constexpr std::array<std::string_view, 8> kOwnFields = {"shardfs", "reader",         "layout", "nodes",
                                                        "source",  "source options", "ranks",  "files"};

}  // namespace

std::string FieldOfOption(std::string_view name) {
  const bool is_taken = std::find(kOwnFields.begin(), kOwnFields.end(), name) != kOwnFields.end();
  return is_taken ? OptionFlagOf(name) : std::string(name);
}

std::optional<std::string> DescribeDifference(const RunIdentity& there, const RunIdentity& here) {
  const auto value_of = [](const RunIdentity& run, const std::string& name) {
    for (const auto& [key, value] : run) {
      if (key == name) return QuoteName(value);
    }
    return std::string("not given");
  };
  // An option that differs is what the user wants to hear of; the digests differ with it.
  for (const bool with_digests : {false, true}) {
    for (const RunIdentity* side : {&here, &there}) {
      for (const auto& [name, value] : *side) {
        if (!with_digests && (name == "source" || name == "files")) continue;
        const std::string one = value_of(there, name);
        const std::string other = value_of(here, name);
        if (one != other) return fmt::format("{} is {} there and {} here", QuoteName(name), one, other);
      }
    }
  }
  return std::nullopt;
}

}  // namespace shardfs
