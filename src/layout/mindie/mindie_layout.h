// MindieLayout: the directory that MindIE-LLM's weight_sharder writes for DeepSeek-V2/V3/R1, byte for byte
// (spec/mindie-weight-sharder.md), or the variant of it that MindIE's loader reads right
// (spec/mindie-loader-variant.md). All weight kinds that the reference writes; what it loses data on is refused.
#pragma once

#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/config/parallel_config.h"
#include "shardfs/layout/layout.h"

namespace shardfs {

// What the layout is asked for, options and MindIE's own configuration taken together.
struct MindieRequest {
  ParallelConfig parallel;
  bool mtp = false;                                   // show the MTP layer too
  std::uint64_t max_shard_bytes = 10'000'000'000;     // a file is closed before it would grow past this
  bool dp_partition_up = false;                       // DP_PARTITION_UP_ENABLE
  std::map<std::string, std::string> layout_options;  // of MindIE's conf file, and fidelity
  std::function<void(const std::string&)> on_notice;  // ViewContext::on_notice
};

// The view of a request. Errors as Layout::Build has them.
Result<View> BuildMindieView(const CheckpointPtr& checkpoint, const MindieRequest& request);

class MindieLayout final : public Layout {
 public:
  std::string_view name() const override { return "mindie"; }
  std::string_view summary() const override { return "the directory that MindIE's weight_sharder writes"; }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
  // DeepSeek's models. A config.json that cannot be read is taken for theirs: the refusal then says what is wrong with it.
  bool IsDefaultFor(const Checkpoint& checkpoint) const override;
  std::vector<std::string> WarningsOfPlace(const ViewPlace& place) const override;
};

}  // namespace shardfs
