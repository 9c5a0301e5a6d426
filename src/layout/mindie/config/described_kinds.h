// Whether config.json gives each group of linears the kind that the quantisation description gives it.
//
// MindIE takes the attention's kind from `mla_quantize`, that of routed experts from `moe_quantize`, and the rest from
// `quantize` (spec/mindie-weight-sharder.md, section 3.5). A mix whose config.json lacks one of them contradicts its
// description in every linear of the group, which is one cause and gets one sentence.
#pragma once

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/quant_description.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// kCorruption naming, for each group whose linears are all described as one other kind, the key of config.json that is
// missing or wrong, and what to write. Only where the checkpoint has the tensors of the described kind: a description
// that its tensors contradict is left to the checks of single tensors. `mtp`: whether the MTP layer is shown.
Status CheckDescribedKinds(const Checkpoint& checkpoint, const DeepseekConfig& config,
                           const QuantDescription& description, bool mtp);

}  // namespace shardfs
