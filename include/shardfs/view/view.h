// View: what is shown, and what a person should know of it. A layout makes it; fuse, materialize, verify and the
// reports read it, and none of them knows an engine.
//
// Immutable once built; may be shared among threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shardfs/checkpoint/ignored_tensor.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

// Option names and values, as the command line writes them: {"moe_tp", "4"}.
using OptionPairs = std::vector<std::pair<std::string, std::string>>;

struct View {
  std::shared_ptr<const VirtualTree> tree;
  std::uint32_t world_size = 1;  // 1: not cut by rank
  std::uint32_t nodes = 1;       // servers, where the configuration says so
  std::string summary;           // one line: layout, model, sizes
  std::vector<std::pair<std::string, std::uint64_t>> sizes;  // the effective parallel sizes, by name: "moe_tp"
  OptionPairs options;                  // the layout's other options as they hold, defaults filled in
  std::uint32_t rules_version = 1;      // of the layout: raised with each change of a rule that changes a byte
  std::vector<IgnoredTensor> ignored;   // tensors of the checkpoint that no file is made of
  std::vector<std::string> read_files;  // of the source: those whose text decided the view
  std::vector<std::string> warnings;
  // Reads so far that met a weight_offset which is not zero, where the view's bytes have it negated; null where no
  // offset is. Counted by the reads of the tree.
  std::shared_ptr<const std::atomic<std::uint64_t>> nonzero_offset_reads;
};

}  // namespace shardfs
