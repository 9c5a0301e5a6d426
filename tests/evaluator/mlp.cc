// Dense MLP, shared expert, routed experts and router (spec/mindie-weight-sharder.md, sections 3.3 and 3.4).
#include <algorithm>

#include "evaluator/float_bits.h"
#include "evaluator/state_dict.h"

namespace shardfs::evaluator {
namespace {

std::vector<LinearSource> GateUp(const std::string& prefix, std::uint64_t intermediate, std::uint64_t hidden) {
  return {{prefix + ".gate_proj", intermediate, hidden}, {prefix + ".up_proj", intermediate, hidden}};
}

Kind GateUpKind(const Setting& setting, const std::string& prefix, const std::string& quantize) {
  const Kind gate = KindOf(setting, prefix + ".gate_proj", quantize);
  if (gate != KindOf(setting, prefix + ".up_proj", quantize)) throw Refused(prefix + ": gate and up differ in kind");
  return gate;
}

// A MLP that is no stack of experts: dense, or the shared expert.
void AddMlp(const Setting& setting, const std::string& prefix, std::uint64_t layer, std::uint64_t intermediate,
            Split split, StateDict* state) {
  const std::uint64_t hidden = setting.dims.hidden;
  const std::string quantize = setting.dense_quantize();
  const Kind packed = GateUpKind(setting, prefix, quantize);
  Parts gate_up = ShardLinear(setting, GateUp(prefix, intermediate, hidden), packed, Role::kColumn, split);
  AddLinear(prefix + ".gate_up_proj", packed, layer, FinishLinear(setting, packed, std::move(gate_up)), state);
  const std::string down = prefix + ".down_proj";
  const Kind kind = KindOf(setting, down, quantize);
  Parts parts = ShardLinear(setting, {{down, hidden, intermediate}}, kind, Role::kRow, split);
  AddLinear(down, kind, layer, FinishLinear(setting, kind, std::move(parts)), state);
}

void AddRouter(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  const Dimensions& dims = setting.dims;
  const std::string prefix = LayerPrefix(layer) + ".mlp.gate.";
  const Array& weight = setting.source->Get(prefix + "weight", {dims.experts, dims.hidden});
  const Array& bias = setting.source->Get(prefix + "e_score_correction_bias", {dims.experts});
  if (!IsFloat(weight.dtype) || !IsFloat(bias.dtype)) throw Refused(prefix + "weight or bias is not float");
  double minimum = bias.Value(0);
  for (std::uint64_t i = 1; i < bias.count(); ++i) minimum = std::min(minimum, bias.Value(i));
  // The difference is rounded to F32, then to the source's dtype, then to the model's.
  const Array shifted = Map(
      bias, bias.dtype, [minimum](double value) { return ToDouble(Dtype::kF32, Round(Dtype::kF32, value - minimum)); });
  const Array rounded = Cast(Cast(weight, setting.dtype), Dtype::kF32);
  state->push_back({prefix + "weight", TakeRows(rounded, rank.router_rows), Kind::kFloat, layer});
  state->push_back({prefix + "bias", TakeRows(Cast(shifted, setting.dtype), rank.router_rows), Kind::kFloat, layer});
}

void AddExperts(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  const Dimensions& dims = setting.dims;
  const std::string mlp = LayerPrefix(layer) + ".mlp";
  const std::string quantize = setting.expert_quantize(layer);
  const auto prefix = [&](std::uint64_t expert) { return mlp + ".experts." + std::to_string(expert); };
  const Kind packed = GateUpKind(setting, prefix(0), quantize);
  const Kind kind = KindOf(setting, prefix(0) + ".down_proj", quantize);
  for (std::uint64_t e = 0; e < dims.experts; ++e) {
    if (GateUpKind(setting, prefix(e), quantize) != packed ||
        KindOf(setting, prefix(e) + ".down_proj", quantize) != kind) {
      throw Refused(mlp + ": experts differ in kind");
    }
  }
  std::vector<Parts> gate_ups;
  std::vector<Parts> downs;
  for (std::uint64_t e : rank.experts) {
    gate_ups.push_back(ShardLinear(setting, GateUp(prefix(e), dims.expert_intermediate, dims.hidden), packed,
                                   Role::kColumn, rank.routed));
    downs.push_back(ShardLinear(setting, {{prefix(e) + ".down_proj", dims.hidden, dims.expert_intermediate}}, kind,
                                Role::kRow, rank.routed));
  }
  AddLinear(mlp + ".gate_up_proj", packed, layer, FinishExperts(setting, packed, Role::kColumn, gate_ups), state);
  AddLinear(mlp + ".down_proj", kind, layer, FinishExperts(setting, kind, Role::kRow, downs), state);
}

}  // namespace

void AddDenseMlp(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  AddMlp(setting, LayerPrefix(layer) + ".mlp", layer, setting.dims.dense_intermediate, rank.dense, state);
}

void AddMoe(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  AddRouter(setting, rank, layer, state);
  AddExperts(setting, rank, layer, state);
  if (setting.dims.shared_experts == 0) return;
  AddMlp(setting, LayerPrefix(layer) + ".mlp.shared_experts", layer,
         setting.dims.expert_intermediate * setting.dims.shared_experts, rank.shared, state);
}

}  // namespace shardfs::evaluator
