// The scales of the quantised KV cache (spec/mindie-weight-sharder.md, section 3.5, FA3).
#include "evaluator/float_bits.h"
#include "evaluator/state_dict.h"

namespace shardfs::evaluator {
namespace {

// 1/x as the reference has it: in F32, then rounded.
Array Reciprocal(const Array& array) {
  return Map(array, array.dtype, [](double x) { return ToDouble(Dtype::kF32, Round(Dtype::kF32, 1.0 / x)); });
}

}  // namespace

void AddFa3(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  const std::string prefix = LayerPrefix(layer) + ".self_attn.";
  Array q;        // [n, 1]
  Array k_scale;  // [1, 1]
  if (setting.source->Has(prefix + "fa_q.scale")) {
    q = Reciprocal(Cast(setting.source->Get(prefix + "fa_q.scale", {setting.dims.heads, 1}), setting.dtype));
    k_scale = setting.source->Get(prefix + "fa_k.scale");
    if (k_scale.count() != 1) throw Refused(prefix + "fa_k.scale has more than one value");
    k_scale = Reshape(Cast(k_scale, setting.dtype), {1, 1});
  } else {
    q = Filled(Dtype::kF16, {setting.dims.kv_rank, 1}, 1.0);
    k_scale = Filled(Dtype::kF16, {1, 1}, 1.0);
  }
  if (q.shape[0] % rank.attention.parts != 0) throw Refused(prefix + "fa3: the scales do not split by tp");
  const double s = k_scale.Value(0);
  const Array qk = Map(Reciprocal(q), q.dtype, [s](double x) { return x * s; });
  const Array local_q = Shard(q, 0, rank.attention);
  Array local_qk = Flatten(Cast(setting.options.sp > 1 ? qk : Shard(qk, 0, rank.attention), Dtype::kF32));
  if (setting.loader() && setting.source->Has(prefix + "fa_q.scale")) {
    bool all_one = true;
    for (std::uint64_t i = 0; i < local_q.count(); ++i) all_one = all_one && local_q.Value(i) == 1.0;
    if (all_one) throw Refused(prefix + "fa_q.scale is 1 for all heads of a rank: the loader takes it for unquantised");
  }
  const auto add = [&](const char* name, Array array) {
    state->push_back({prefix + "fa3." + name, std::move(array), std::nullopt, layer});
  };
  add("q_scale", local_q);
  add("k_scale", k_scale);
  add("kv_offset", Zeros(Dtype::kI8, {1, 1}));
  add("qk_scale", local_qk);
  add("qk_scale_1", local_qk);
  add("fa3_v_scale", Filled(Dtype::kF32, local_qk.shape, s));
}

}  // namespace shardfs::evaluator
