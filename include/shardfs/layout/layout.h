// Layout: turns (checkpoint, parallel sizes, options) into a view. Names, rules and packing, nothing else.
//
// A layout accounts for the whole source: every tensor is used or ignored with a reason; an unknown one is refused,
// because silently wrong weights are the worst outcome there is.
//
// A new layout is one new file that defines a subclass, and one line in registry.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/parallel/parallel_config.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct LayoutOptions {
  ParallelConfig parallel;
  bool mtp = false;                                   // show the MTP layer too
  std::uint64_t max_shard_bytes = 10'000'000'000;     // a file is closed before it would grow past this
  bool dp_partition_up = false;                       // DP_PARTITION_UP_ENABLE
  std::map<std::string, std::string> layout_options;  // -O NAME=VALUE
  // Called with a sentence when a read shows something that could not be known before (values of the source that the
  // reference handles in a questionable way). From any reading thread; at most once for each cause. May be empty.
  std::function<void(const std::string&)> on_notice;
};

struct IgnoredTensor {
  std::string name;
  std::string reason;
};

// A view and what a person should know about it. Immutable.
struct LayoutResult {
  std::shared_ptr<const VirtualTree> tree;
  std::uint32_t world_size = 0;
  std::uint32_t nodes = 1;                                   // servers, where the configuration says so
  std::string summary;                                       // one line: layout, model, effective parallel sizes
  std::vector<std::pair<std::string, std::uint64_t>> sizes;  // the effective parallel sizes, by their names: "moe_tp"
  // The layout's own options (-O) as they took effect, defaults included, by name.
  std::vector<std::pair<std::string, std::string>> options;
  // Of the layout's rules: raised whenever a byte of a view changes that has the same source, sizes and options. Files
  // of two versions are told apart by it where nothing else of the view shows the change.
  std::uint32_t rules_version = 1;
  std::vector<IgnoredTensor> ignored;   // source tensors that no file is made of
  std::vector<std::string> read_files;  // of the source: those whose text decided the view
  std::vector<std::string> warnings;    // of the layout; the checkpoint has its own
  // Reads so far that met a weight_offset which is not zero, where the view's bytes have it negated; null where no
  // offset is. Counted by the reads of the tree.
  std::shared_ptr<const std::atomic<std::uint64_t>> nonzero_offset_reads;
};

class Layout {
 public:
  virtual ~Layout() = default;
  virtual std::string_view name() const = 0;

  // The names that LayoutOptions::layout_options may have.
  virtual std::vector<std::string_view> option_names() const = 0;

  // kInvalidArgument for options that do not fit the model or each other, kCorruption for a checkpoint that is
  // incomplete or contradicts its config, kNotSupported for a model or weights that the layout does not cover.
  // The result's tree keeps the checkpoint alive. Thread-safe.
  virtual Result<LayoutResult> Build(std::shared_ptr<const Checkpoint> checkpoint,
                                     const LayoutOptions& options) const = 0;
};

// The layout of that name, or nullptr; layouts live for the whole program.
const Layout* FindLayout(std::string_view name);
std::vector<std::string_view> LayoutNames();

}  // namespace shardfs
