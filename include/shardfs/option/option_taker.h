// OptionTaker: a reader, a transform or a layout, as options see it; and what is said of an option that nothing takes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

struct OptionTaker {
  std::string_view kind;  // "reader", "transform", "layout"
  std::string_view name;  // "mindie"
  std::span<const OptionSpec> options;
};

// The specs of all takers, in their order; a name that several declare stands there once for each.
std::vector<const OptionSpec*> SpecsOf(std::span<const OptionTaker> takers);

// kInvalidArgument for an option that none of `chosen` takes: "the deepseek-mp layout has no --moe-ep; mindie has", or,
// where none of `all` knows it, with the nearest name that one of them has. The environment is no request: options
// from there that nothing takes are passed over. `layout` names the one that was chosen.
Status RequireTaken(const OptionValues& values, std::span<const OptionTaker> chosen, std::span<const OptionTaker> all,
                    std::string_view layout);

}  // namespace shardfs
