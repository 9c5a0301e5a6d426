// MindieMapping: MindIE's parallel sizes with its defaults filled in, validated, and the coordinates of each rank.
//
// Sources of the rules: spec/mindie-weight-sharder.md, sections 1 (defaults, rejections in their order) and 2 (ranks).
// Invariants: immutable; dp*tp*cp == world_size; moe_ep*moe_tp == world_size. Thread-safety: const members only.
#pragma once

#include <cstdint>

#include "layout/mindie/config/parallel_config.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Where a rank stands in each group that splits weights.
struct MindieCoordinates {
  std::uint32_t rank = 0;  // 0 .. world_size-1; also its place in the group of all ranks (lm_head, shared experts)
  std::uint32_t attention_tp = 0;  // attention, dense MLP, embedding
  std::uint32_t moe_tp = 0;
  std::uint32_t moe_ep = 0;
};

class MindieMapping {
 public:
  // kInvalidArgument, naming both sides, for what MindIE rejects (in MindIE's order) and for a world size that is
  // neither given nor derivable (tp*dp*cp when tp is given, else moe_tp*moe_ep when both are).
  static Result<MindieMapping> Create(const ParallelConfig& config);

  std::uint32_t world_size() const { return world_size_; }
  std::uint32_t nodes() const { return nodes_; }
  std::uint32_t dp() const { return dp_; }
  std::uint32_t tp() const { return tp_; }
  std::uint32_t moe_tp() const { return moe_tp_; }
  std::uint32_t moe_ep() const { return moe_ep_; }
  std::uint32_t sp() const { return sp_; }
  std::uint32_t cp() const { return cp_; }

  // `rank` must be below world_size().
  MindieCoordinates At(std::uint32_t rank) const;

 private:
  MindieMapping() = default;

  std::uint32_t world_size_ = 1;
  std::uint32_t nodes_ = 1;
  std::uint32_t dp_ = 1;
  std::uint32_t tp_ = 1;
  std::uint32_t moe_tp_ = 1;
  std::uint32_t moe_ep_ = 1;
  std::uint32_t sp_ = 1;
  std::uint32_t cp_ = 1;
};

}  // namespace shardfs
