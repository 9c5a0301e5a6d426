// View: what is shown, and what a person should know of it. A layout makes it; fuse, materialize, verify and the
// reports read it, and none of them knows an engine.
//
// Immutable once built; may be shared among threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shardfs/checkpoint/content_check.h"
#include "shardfs/checkpoint/ignored_tensor.h"
#include "shardfs/checkpoint/read_notice.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

// Option names and values, as the command line writes them: {"moe_tp", "4"}.
using OptionPairs = std::vector<std::pair<std::string, std::string>>;

// The part [begin, end) of `whole` that a rank has of something that ranks split. Empty: whole 0.
struct RankPart {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t whole = 0;
};

// What the layout's cut gives one rank. Every layer of a kind is cut alike. A part is empty where the model has no such
// tensors, or the layout does not say.
struct RankDescription {
  std::vector<std::pair<std::string, std::uint32_t>> coordinates;  // in the mesh, by axis: "tp", 3; none: not said
  RankPart layers;                 // decoder layers of its pipeline stage
  std::uint32_t expert_group = 0;  // ranks of one group hold the same experts
  RankPart experts;                // routed experts of a layer
  RankPart expert_slice;           // of each of these experts
  RankPart heads;                  // of attention
  RankPart dense_slice;            // of a dense MLP
  RankPart shared_slice;           // of shared experts
  RankPart head_slice;             // of lm_head
};

struct View {
  std::shared_ptr<const VirtualTree> tree;
  std::uint32_t world_size = 1;  // 1: not cut by rank
  std::uint32_t nodes = 1;       // servers, where the configuration says so
  std::vector<RankDescription> ranks;   // one a rank, or none where the layout does not say
  std::uint32_t expert_groups = 0;      // of `ranks`; 0 where there are no routed experts
  std::optional<std::uint32_t> layers;  // decoder layers, where the layout knows; those behind them are MTP's
  std::string summary;           // one line: layout, model, sizes
  std::vector<std::string> account;  // what else `plan` says before the tree, in sentences
  std::vector<std::pair<std::string, std::uint64_t>> sizes;  // the effective parallel sizes, by name: "moe_tp"
  OptionPairs options;                  // the layout's other options as they hold, defaults filled in
  std::uint32_t rules_version = 1;      // of the layout: raised with each change of a rule that changes a byte
  std::vector<IgnoredTensor> ignored;   // tensors of the checkpoint that no file is made of
  std::vector<std::string> read_files;  // of the source: those whose text decided the view
  std::vector<std::string> warnings;
  std::vector<std::string> questions;   // what no file can tell, each with the option that answers it; for `plan`
  std::vector<ReadNotice> notices;      // counted by the reads of the tree
  std::vector<ContentCheck> checks;     // asked by `plan --check`
};

}  // namespace shardfs
