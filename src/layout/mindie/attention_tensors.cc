#include "layout/mindie/attention_tensors.h"

#include <cstring>

#include "layout/mindie/linear_tensors.h"
#include "layout/mindie/tensor_rules.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"

namespace shardfs {
namespace {

constexpr std::uint16_t kOneInF16 = 0x3c00;

Result<TensorPtr> OnesInF16(const Shape& shape) {
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t elements, ElementCount(shape));
  std::string bytes(elements * sizeof kOneInF16, '\0');
  for (std::uint64_t i = 0; i < elements; ++i)
    std::memcpy(bytes.data() + i * sizeof kOneInF16, &kOneInF16, sizeof kOneInF16);
  return Tensor::Literal(Dtype::kF16, shape, std::move(bytes));
}

// FA3 (section 3.5): the query scale q = 1 / fa_q.scale of each head and the key scale s; in a layer that is not
// quantised so, ones for each of kv_lora_rank places, in F16 whatever the model's dtype is.
class Fa3Builder {
 public:
  Fa3Builder(const AttentionWeights& weights, const AttentionCut& cut, const DeepseekConfig& config)
      : weights_(weights), cut_(cut), config_(config) {}

  Status AddTo(const std::string& prefix, StateDictWriter* writer) {
    if (!writer->Wants(prefix + ".q_scale")) return Status::Ok();
    SHARDFS_RETURN_IF_ERROR(Prepare(*writer));
    const SplitGroup group{cut_.tp, cut_.rank};
    const SplitGroup derived = cut_.sequence_parallel ? SplitGroup{} : group;
    SHARDFS_RETURN_IF_ERROR(writer->Add(prefix + ".q_scale", [&] { return Shard(query_, 0, group); }));
    SHARDFS_RETURN_IF_ERROR(writer->Add(prefix + ".k_scale", [&]() -> Result<TensorPtr> { return key_; }));
    SHARDFS_RETURN_IF_ERROR(writer->Add(prefix + ".kv_offset", [&] { return Tensor::Zeros(Dtype::kI8, {1, 1}); }));
    for (const char* name : {".qk_scale", ".qk_scale_1"}) {
      SHARDFS_RETURN_IF_ERROR(writer->Add(prefix + name, [&]() -> Result<TensorPtr> {
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr inverse, ops::Reciprocal(query_));
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr product, ops::Multiply(std::move(inverse), repeated_key_));
        return Flat(std::move(product), derived);
      }));
    }
    return writer->Add(prefix + ".fa3_v_scale", [&] { return Flat(repeated_key_, derived); });
  }

 private:
  Status Prepare(const StateDictWriter& writer) {
    if (weights_.fa_q_scale != nullptr) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr scale, writer.Source(*weights_.fa_q_scale));
      SHARDFS_ASSIGN_OR_RETURN(scale, ops::Cast(std::move(scale), config_.dtype));
      SHARDFS_ASSIGN_OR_RETURN(query_, ops::Reciprocal(std::move(scale)));
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr key, writer.Source(*weights_.fa_k_scale));
      SHARDFS_ASSIGN_OR_RETURN(key, ops::Cast(std::move(key), config_.dtype));
      SHARDFS_ASSIGN_OR_RETURN(key_, Tensor::Reshape(std::move(key), {1, 1}));
    } else {
      SHARDFS_ASSIGN_OR_RETURN(query_, OnesInF16({config_.kv_lora_rank, 1}));
      SHARDFS_ASSIGN_OR_RETURN(key_, OnesInF16({1, 1}));
    }
    SHARDFS_ASSIGN_OR_RETURN(repeated_key_,
                             Tensor::RowGather(key_, 0, std::vector<std::uint64_t>(query_->shape()[0], 0)));
    return Status::Ok();
  }

  // [n, 1] -> F32 [n of this rank]
  static Result<TensorPtr> Flat(TensorPtr tensor, const SplitGroup& group) {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr part, Shard(std::move(tensor), 0, group));
    SHARDFS_ASSIGN_OR_RETURN(part, ops::Cast(std::move(part), Dtype::kF32));
    const std::uint64_t elements = part->elements();
    return Tensor::Reshape(std::move(part), {elements});
  }

  const AttentionWeights& weights_;
  const AttentionCut& cut_;
  const DeepseekConfig& config_;
  TensorPtr query_;
  TensorPtr key_;
  TensorPtr repeated_key_;  // as long as query_
};

}  // namespace

Status AddAttention(const std::string& prefix, const AttentionWeights& weights, bool has_fa3, const AttentionCut& cut,
                    const DeepseekConfig& config, StateDictWriter* writer) {
  const SplitGroup group{cut.tp, cut.rank};
  const std::uint64_t heads = config.heads / cut.tp;
  const auto add = [&](const char* name, const LinearWeights& linear, const LinearCut& linear_cut) {
    const LinearWeights* const packed[] = {&linear};
    return writer->AddLinear(prefix + name, packed, linear_cut);
  };
  const LinearCut whole{.role = LinearRole::kReplicated, .group = {}};
  const LinearCut query{.role = LinearRole::kColumn,
                        .group = group,
                        .rope_block = config.nope_head_dim + config.rope_head_dim,
                        .rope = config.rope_head_dim};
  LinearCut key_value = whole;
  key_value.rope_block = config.kv_lora_rank + config.rope_head_dim;
  key_value.rope = config.rope_head_dim;

  if (has_fa3) SHARDFS_RETURN_IF_ERROR(Fa3Builder(weights, cut, config).AddTo(prefix + ".fa3", writer));
  if (config.q_lora_rank) {
    SHARDFS_RETURN_IF_ERROR(add(".q_a_proj", weights.q_a_proj, whole));
    SHARDFS_RETURN_IF_ERROR(add(".q_b_proj", weights.q_b_proj, query));
  } else {
    SHARDFS_RETURN_IF_ERROR(add(".q_proj", weights.q_proj, query));
  }
  SHARDFS_RETURN_IF_ERROR(add(".kv_a_proj_with_mqa", weights.kv_a_proj_with_mqa, key_value));
  SHARDFS_RETURN_IF_ERROR(writer->AddWhole(prefix + ".kv_a_layernorm.weight", weights.kv_a_layernorm));
  const auto kv_b_rows = [&]() -> Result<TensorPtr> {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, writer->Whole(*weights.kv_b_proj.weight));
    return Shard(std::move(rows), 0, group);
  };
  SHARDFS_RETURN_IF_ERROR(
      writer->AddInLinear(prefix + ".k_b_proj.weight", LinearKind::kFloat, [&]() -> Result<TensorPtr> {
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, kv_b_rows());
        return KeyPartOfKvB(std::move(rows), heads, config.nope_head_dim, config.v_head_dim);
      }));
  SHARDFS_RETURN_IF_ERROR(
      writer->AddInLinear(prefix + ".v_b_proj.weight", LinearKind::kFloat, [&]() -> Result<TensorPtr> {
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, kv_b_rows());
        return ValuePartOfKvB(std::move(rows), heads, config.nope_head_dim, config.v_head_dim);
      }));
  SHARDFS_RETURN_IF_ERROR(add(".o_proj", weights.o_proj, {.role = LinearRole::kRow, .group = group}));
  if (!config.q_lora_rank) return Status::Ok();
  return writer->AddNorm(prefix + ".q_a_layernorm", weights.q_a_layernorm);
}

}  // namespace shardfs
