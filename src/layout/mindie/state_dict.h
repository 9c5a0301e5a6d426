// The state dict of one rank in the reference's order, sorted into the folders that weight_sharder writes.
// Source: spec/mindie-weight-sharder.md, sections 2 (folders), 3 (tensors) and 4.3 (order).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/mindie_mapping.h"
#include "shardfs/view/virtual_file.h"
#include "tensor/ops/observe.h"

namespace shardfs {

enum class MindieFolder : std::uint8_t { kMoe, kDense, kAttention, kRank, kNorm };
inline constexpr std::size_t kMindieFolders = 5;

// "model-moe-tp-003-ep-001", "model-dense-tp-000", "model-attn-tp-000", "model-005", "model-norm".
std::string MindieFolderName(MindieFolder folder, const MindieCoordinates& coordinates);

// The folder of a tensor, decided from its final name alone, as the reference does.
MindieFolder MindieFolderOf(std::string_view tensor_name);

// The last layer whose `mlp` tensors go to the dense folder: hard-coded in the reference, whatever
// first_k_dense_replace says.
inline constexpr std::uint64_t kLastDenseFolderLayer = 2;

// What every rank's state dict is made from. All of it outlives the call.
struct MindieModel {
  const DeepseekConfig& config;
  const QuantDescription* description;  // null for a checkpoint without `quantize`
  const DeepseekWeights& weights;
  const MindieMapping& mapping;
  const MindieOptions& options;
  MindieFidelity fidelity;
  std::shared_ptr<const ReadObserver> on_offsets;  // sees every negated weight_offset that is read; may be null
};

// The same for a model: in loader's variant, mlp tensors that differ between ranks which share a dense folder go to the
// rank's own experts folder (spec/mindie-loader-variant.md, section 1, rule 6).
MindieFolder MindieFolderOf(std::string_view tensor_name, const MindieModel& model);

// A line of quant_model_description: a tensor of the state dict, and what it is.
struct DescribedTensor {
  std::string name;
  std::string kind;
};

struct MindieStateDict {
  std::array<std::vector<PlannedTensor>, kMindieFolders> folders;  // each in state-dict order
  std::vector<DescribedTensor> description;  // of the wanted folders' tensors; empty without `quantize`
};

// The tensors of `rank` that belong to the folders whose flag in `wanted` is set; the others are not built.
// Thread-safe.
Result<MindieStateDict> BuildMindieStateDict(const MindieModel& model, std::uint32_t rank,
                                             const std::array<bool, kMindieFolders>& wanted);

}  // namespace shardfs
