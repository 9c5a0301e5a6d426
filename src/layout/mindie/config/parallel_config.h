// ParallelConfig: the parallel sizes as a user gives them; -1 (kDefault) where they are left to the engine's defaults.
//
// Which defaults those are, and which combinations are allowed, is each engine's own (mindie_mapping.h).
#pragma once

#include <cstdint>

namespace shardfs {

struct ParallelConfig {
  static constexpr std::int64_t kDefault = -1;

  std::int64_t world_size = kDefault;  // ranks in all; derived from the other sizes when not given
  std::int64_t dp = kDefault;          // data parallel
  std::int64_t tp = kDefault;          // tensor parallel (attention, dense MLP, embedding)
  std::int64_t moe_tp = kDefault;      // tensor parallel within an expert
  std::int64_t moe_ep = kDefault;      // expert parallel
  std::int64_t sp = kDefault;          // sequence parallel
  std::int64_t cp = kDefault;          // context parallel
  std::int64_t nodes = 1;              // servers, from a rank table (rank_table.h)
};

}  // namespace shardfs
