// The files of the root of a MindIE directory that are not weights.
// Source: spec/mindie-weight-sharder.md, section 5.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/config/quant_description.h"
#include "layout/mindie/mindie_mapping.h"
#include "layout/mindie/state_dict.h"
#include "shardfs/base/json.h"
#include "shardfs/tensor/dtype.h"

namespace shardfs {

// config.json as modify_config writes it: re-dumped, with torch_dtype set to the model's dtype (BF16 or F16). `config`
// is the source's, under MindIE's names. Loader's variant says `quantize` also where the source leaves it to its
// description.
std::string MindieConfigJson(const JsonValue& config, Dtype dtype);
std::string MindieConfigJson(const EffectiveConfig& config, Dtype dtype, MindieFidelity fidelity);

// The last members of the description of the directory: what quantization_config says, updated by the source's
// description (EffectiveConfig::Quantization). null where neither says anything, but 0 for group_size.
std::vector<JsonMember> MindieDescriptionSettings(const EffectiveConfig& config);

// The description of the directory: `lines` are rank 0's tensors. `quantize` is the model's kind; the version keeps its
// type.
std::string MindieDescriptionJson(const QuantDescription& description, std::string_view quantize,
                                  const std::vector<DescribedTensor>& lines, const std::vector<JsonMember>& settings);

// "quant_model_description.json", or with the quantize string in it for a source whose description has no version.
std::string MindieDescriptionName(const QuantDescription& description, std::string_view quantize);

// model_sharded_metadata.json. `root_files` are those listed for the root, `files` maps each folder to its files; the
// reference lists folders in the file system's order, here they are sorted, the root first. Loader's variant is marked
// by a key of its own.
std::string MindieMetadataJson(const MindieMapping& mapping, MindieFidelity fidelity,
                               const std::vector<std::string>& root_files,
                               const std::map<std::string, std::vector<std::string>>& files);

// Whether copy_tokenizer_files copies a file of that name.
bool MindieCopiesFile(std::string_view name);

inline constexpr std::uint64_t kMaxCopiedFileBytes = std::uint64_t{1} << 30;
inline constexpr std::size_t kMaxSourceEntries = 1024;

}  // namespace shardfs
