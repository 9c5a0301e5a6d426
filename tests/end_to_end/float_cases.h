// The golden cases of float checkpoints that are shown, not refused.
#pragma once

#include <vector>

#include "layout/golden_case.h"

namespace shardfs::testing {

inline std::vector<GoldenCase> ShownFloatCases() {
  std::vector<GoldenCase> cases = GoldenCases("bf16_");
  std::erase_if(cases, [](const GoldenCase& golden) {
    return golden.name.starts_with("bf16_firstk1_") || golden.name.starts_with("bf16_ep3_");
  });
  return cases;
}

}  // namespace shardfs::testing
