// The golden cases that are shown, not refused.
#pragma once

#include <vector>

#include "layout/golden_case.h"

namespace shardfs::testing {

inline std::vector<GoldenCase> ShownSharderCases() {
  std::vector<GoldenCase> cases = GoldenCases("");
  std::erase_if(cases, [](const GoldenCase& golden) {
    return golden.name.starts_with("bf16_firstk1_") || golden.name.starts_with("bf16_ep3_");
  });
  return cases;
}

inline std::vector<GoldenCase> ShownLoaderCases() { return GoldenCases("", GoldenVariant::kLoader); }

}  // namespace shardfs::testing
