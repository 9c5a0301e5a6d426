// The options of the mindspore-unified layout.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindspore/slice.h"
#include "layout/mindspore/unified_parts.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"
#include "shardfs/view/view.h"

namespace shardfs {

struct UnifiedOptions {
  std::vector<std::string> filtered_prefixes;
  std::map<std::string, std::string> renamed;  // old name: new name
  std::string rename_file;                     // empty: none; with a digest of what it says
  std::optional<PartTask> task;                // none: all parts
  std::uint64_t part_limit = kUnifiedPartBytes;
  Placement placement = Placement::kTools;
  bool complete = false;

  static std::span<const OptionSpec> Specs();
  static Result<UnifiedOptions> Parse(const OptionValues& values);

  bool LeavesOut(std::string_view name) const;  // by a prefix
  std::string NewNameOf(std::string_view name) const;
  OptionPairs InForce() const;
};

}  // namespace shardfs
