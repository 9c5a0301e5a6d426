// Multi-head latent attention (spec/mindie-weight-sharder.md, section 3.4).
#include <algorithm>

#include "evaluator/state_dict.h"

namespace shardfs::evaluator {
namespace {

// In every block of `block` rows, the last `rope` rows become the even ones among them, then the odd ones.
Array PermuteRope(const Array& array, std::uint64_t block, std::uint64_t rope) {
  std::vector<std::uint64_t> rows;
  for (std::uint64_t start = 0; start < array.shape[0]; start += block) {
    for (std::uint64_t row = 0; row < block - rope; ++row) rows.push_back(start + row);
    for (std::uint64_t row = 0; row < rope; row += 2) rows.push_back(start + block - rope + row);
    for (std::uint64_t row = 1; row < rope; row += 2) rows.push_back(start + block - rope + row);
  }
  return TakeRows(array, rows);
}

struct AttentionBuilder {
  const Setting& setting;
  const Rank& rank;
  std::uint64_t layer;
  StateDict* state;

  std::string Prefix(const std::string& name) const { return LayerPrefix(layer) + ".self_attn." + name; }

  // `rope_block`: rows in a block whose end is permuted; 0 for none.
  void Add(const std::string& name, std::uint64_t rows, std::uint64_t columns, Role role, std::uint64_t rope_block) {
    const std::string prefix = Prefix(name);
    const Kind kind = KindOf(setting, prefix, setting.attention_quantize());
    Parts parts = ShardLinear(setting, {{prefix, rows, columns}}, kind, role, rank.attention);
    if (rope_block != 0) {
      parts = ChangeRows(std::move(parts),
                         [&](const Array& array) { return PermuteRope(array, rope_block, setting.dims.rope); });
    }
    AddLinear(prefix, kind, layer, FinishLinear(setting, kind, std::move(parts)), state);
  }

  void AddKvB() {
    const Dimensions& dims = setting.dims;
    const std::string prefix = Prefix("kv_b_proj");
    if (KindOf(setting, prefix, setting.attention_quantize()) != Kind::kFloat) throw Refused(prefix + " is quantised");
    const Parts parts = ShardLinear(setting, {{prefix, dims.heads * (dims.nope + dims.v), dims.kv_rank}}, Kind::kFloat,
                                    Role::kColumn, rank.attention);
    const Array heads = Reshape(parts[0].second, {dims.heads / rank.attention.parts, dims.nope + dims.v, dims.kv_rank});
    const Array k = Slice(heads, 1, 0, dims.nope);
    const Array v = SwapAxes(Slice(heads, 1, dims.nope, dims.nope + dims.v), 1, 2);
    AddLinear(Prefix("k_b_proj"), Kind::kFloat, layer, {{"weight", k}}, state);
    AddLinear(Prefix("v_b_proj"), Kind::kFloat, layer, {{"weight", v}}, state);
  }
};

}  // namespace

void AddAttention(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  const Dimensions& dims = setting.dims;
  AttentionBuilder builder{setting, rank, layer, state};
  if (setting.fa3) AddFa3(setting, rank, layer, state);
  builder.Add("q_a_proj", dims.q_rank, dims.hidden, Role::kReplicated, 0);
  builder.Add("q_b_proj", dims.heads * (dims.nope + dims.rope), dims.q_rank, Role::kColumn, dims.nope + dims.rope);
  builder.Add("kv_a_proj_with_mqa", dims.kv_rank + dims.rope, dims.hidden, Role::kReplicated, dims.kv_rank + dims.rope);
  AddPlain(setting, builder.Prefix("kv_a_layernorm.weight"), {dims.kv_rank}, state);
  builder.AddKvB();
  builder.Add("o_proj", dims.hidden, dims.heads * dims.v, Role::kRow, 0);
  AddQueryNorm(setting, layer, state);
}

}  // namespace shardfs::evaluator
