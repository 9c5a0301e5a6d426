// The reader `mindie`: a directory that MindIE's weight_sharder wrote, or shardfs itself, merged back into the full
// checkpoint (spec/mindie-as-source.md). Known by model_sharded_metadata.json.
#pragma once

#include "shardfs/checkpoint/checkpoint_reader.h"

namespace shardfs {

class MindieReader final : public CheckpointReader {
 public:
  std::string_view name() const override { return "mindie"; }
  std::string_view summary() const override { return "the directory that MindIE's weight_sharder wrote, merged back"; }
  std::span<const OptionSpec> options() const override;
  Recognition Recognise(std::span<const std::string> names) const override;
  Result<CheckpointPtr> Open(const std::string& directory, const OptionValues& values) const override;
};

// What the reader did, in the words of AppliedTransform: "merge" and "4 ranks (dp 2, ...), as weight_sharder writes
// it".
inline constexpr std::string_view kMergeName = "merge";

// The phrase of a checkpoint that this reader opened: how its source was cut. "" for any other checkpoint.
std::string ShardsOf(const Checkpoint& checkpoint);

}  // namespace shardfs
