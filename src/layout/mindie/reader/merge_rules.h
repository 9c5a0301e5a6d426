// The rules of a merge: which tensors a MindIE directory's full checkpoint has, in which order, and what each is made
// of. Every stored tensor is used by a rule, or the directory is refused.
// Source: spec/mindie-as-source.md, sections 2, 3 and 5.
#pragma once

#include <cstdint>
#include <vector>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/config/quant_description.h"
#include "layout/mindie/reader/merged_state_dict.h"
#include "layout/mindie/reader/sharded_directory.h"
#include "shardfs/base/result.h"

namespace shardfs {

// What a tensor belongs to, for the description and for what is said of losses.
enum class MergedKind : std::uint8_t {
  kFloat,    // a norm, an embedding, a float linear, the router
  kW8A8,     // a linear's weight or companion of that kind
  kW4A8,     // W4A8_DYNAMIC
  kDynamic,  // W8A8_DYNAMIC or W8A16: config.json says which
};

// What stands in the directory that could not be stored without loss, or cannot be told any more.
struct MergeFindings {
  bool has_mtp = false;
  bool has_router_bias = false;
  bool has_static = false;   // W8A8
  bool has_dynamic = false;  // W8A8_DYNAMIC or W8A16
  bool has_w4a8 = false;
  bool has_groups = false;             // W4A8 with a scale for each group of columns
  bool has_rounded_deq_scale = false;  // of an F16 model
  bool has_anti_norms = false;
  std::uint32_t partial_sums = 1;  // of W4A8's down_proj.scale_bias: ranks that split an expert
};

struct Merge {
  MergedTensors tensors;
  MergeFindings findings;
};

// `copies_shared`: layer L's embed_tokens and lm_head are shown as copies of the model's (mtp_shared=alias).
// kCorruption for tensors that are missing, that no rule uses, or of sizes that config.json does not make;
// kNotSupported for a model or directory that cannot be merged.
Result<Merge> MergeTensorsOf(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant,
                             bool copies_shared);

// Whether rank 0 has the MTP layer.
bool HasMtp(const ShardedDirectory& directory, const DeepseekConfig& config);

// The variant that the directory is of: what the embedding's rows say, which shardfs_fidelity must not contradict.
Result<MindieFidelity> FindVariant(const ShardedDirectory& directory, const DeepseekConfig& config);

// OK unless the directory has lost data, or has what cannot be undone.
Status CheckMergeable(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant);

}  // namespace shardfs
