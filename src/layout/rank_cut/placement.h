// Placement: every tensor of the checkpoint under its rule: what is made of it, what it is called, and which ranks hold
// it. Source: spec/rank-cuts.md, section 2.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "layout/rank_cut/tensor_cut.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs::rank_cut {

// A tensor of the files: on every rank of its stage and expert block.
struct PlacedTensor {
  std::uint32_t index = 0;  // in the checkpoint's state dict
  std::uint32_t rule = 0;   // in the table
  std::string name;         // in the files
  const TensorCut* cut = nullptr;
  std::optional<std::uint32_t> stage;         // nothing: all stages
  std::optional<std::uint32_t> expert_block;  // the coordinate of ep; nothing: all
  bool is_copy = false;                       // made by "also"

  bool IsOn(const RankPlace& place) const {
    return (!stage || *stage == place.pp) && (!expert_block || *expert_block == place.ep);
  }
};

struct Placement {
  std::vector<PlacedTensor> tensors;  // in the checkpoint's order
  std::vector<IgnoredTensor> dropped;
  std::vector<std::uint64_t> rule_tensors;  // by rule: how many tensors it matches
  std::deque<TensorCut> cuts;               // that tensors point to
};

// What the table says with a mesh and a checkpoint.
struct TableInForce {
  RuleTable table;
  RankGrids grids;
  Dims dims;
  std::vector<Interval> stages;   // the layers of each
  std::vector<Interval> experts;  // the block of each coordinate of ep; empty where the table has no experts
};

// Codes: as RankGrids, Dims and SplitLayers, and not-divisible for experts.
Result<TableInForce> PutInForce(RuleTable table, const JsonValue* config);

// Codes: no-rule, two-rules, unused-rule, no-stage, layer-range, expert-range, shape, dtype, name-clash, bad-rule, and
// those of WorkOut. `in_force` must outlive the placement.
Result<Placement> PlaceTensors(const TableInForce& in_force, const Checkpoint& checkpoint);

}  // namespace shardfs::rank_cut
