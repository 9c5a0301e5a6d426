// Quantisation: which weights of a DeepSeek-V3 checkpoint are quantised and how: as msModelSlim writes them and MindIE
// reads them (spec/mindie-weight-sharder.md, sections 3.5 and 3.6), or as FP8 blocks, as DeepSeek publishes V3 and R1.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shardfs/tensor/dtype.h"

namespace shardfs::tools {

// How one linear is stored.
enum class WeightKind : std::uint8_t { kFloat, kW8A8, kW8A8Dynamic, kW8A16, kW4A8Dynamic, kFp8Block };

// What a description JSON calls it: "FLOAT", "W8A8", "W8A8_DYNAMIC", ...
std::string_view WeightKindName(WeightKind kind);

// The rows and the columns of a block of kFp8Block; the last block of a row or column may be smaller.
inline constexpr std::uint64_t kFp8BlockSize = 128;

// What a whole checkpoint is. The router, kv_b_proj (but for kFp8Block), eh_proj, the embeddings, heads and norms are
// always float.
enum class CheckpointKind : std::uint8_t {
  kFloat,
  kW8A8,         // static, all linears
  kW8A8Dynamic,  // all linears
  kW8A8Mix,      // attention W8A8, the rest W8A8_DYNAMIC: the public DeepSeek-R1 W8A8
  kW8A16,        // all linears
  kW4A8,         // as the mix, with routed experts of four bits and one scale to a channel
  kW4A8Group,    // the same with a second scale to each group of a channel's inputs
  kFp8Block,     // all linears, kv_b_proj too: F8_E4M3 with an F32 scale to each block of 128 x 128 (weight_scale_inv)
};

enum class NormStyle : std::uint8_t {
  kPlain,
  // A bias beside the weight of input_layernorm and q_a_layernorm where the attention is W8A8, and of
  // post_attention_layernorm where the MLP is.
  kBiased,
  // The anti-outlier norms of old msModelSlim: the same norms have a second pair, module.weight and module.bias.
  kAnti,
};

struct Quantisation {
  CheckpointKind kind = CheckpointKind::kFloat;
  bool quantised_mtp = false;  // else the MTP layers are float
  bool fa3 = false;  // attention with scales for a quantised KV cache (FAKQuant), where it is quantised itself
  NormStyle norms = NormStyle::kPlain;
  // Of W8A8's deq_scale: F32 or I64. Not given: F32 in a BF16 model, I64 in an F16 model, as msModelSlim does.
  std::optional<Dtype> deq_scale = std::nullopt;
  std::uint64_t group_size = 0;  // inputs to a group of kW4A8Group; 0 = see GroupSize
  // Of the description JSON. Empty: the old description, without version and group_size, with `quantize` in its name.
  std::string description_version = "1.0.0";
};

// "float", "w8a8", "w8a8_dynamic", "w8a8_mix", "w8a16", "w4a8", "w4a8_group" or "fp8".
std::optional<CheckpointKind> ParseCheckpointKind(std::string_view name);

// The kind of a main layer's linears; routed experts may have one of their own.
WeightKind AttentionKind(CheckpointKind kind);
WeightKind MlpKind(CheckpointKind kind);
WeightKind ExpertKind(CheckpointKind kind);

// The kind of the linear that a tensor belongs to, its weight or a companion; kFloat for whatever is not part of a
// linear that can be quantised. Layers from `main_layers` on are MTP layers.
WeightKind KindOfTensor(const Quantisation& quantisation, std::uint64_t main_layers, std::string_view name);

// config.json's `quantize`: "w8a8", "w8a8_dynamic" or "w8a16"; empty for kFloat and kFp8Block. Where it is empty, there
// is no description JSON, and the files are named as those of a float checkpoint.
std::string_view QuantizeName(CheckpointKind kind);

// "quant_model_description.json", or "quant_model_description_<quantize>.json" for an old description.
std::string DescriptionFileName(const Quantisation& quantisation);

// What the names of the weight files and of their index begin with: "model" or "quant_model_weight_<quantize>".
std::string WeightFilePrefix(CheckpointKind kind);

}  // namespace shardfs::tools
