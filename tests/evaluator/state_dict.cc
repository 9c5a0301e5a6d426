#include "evaluator/state_dict.h"

namespace shardfs::evaluator {
namespace {

// A zero row is appended by the saving side; the loader appends one of its own.
void AddEmbedding(const Setting& setting, const Rank& rank, StateDict* state) {
  const Dimensions& dims = setting.dims;
  const std::string name = "model.embed_tokens.weight";
  const Array whole = CastOnRead(setting, name, setting.source->Get(name, {dims.vocabulary, dims.hidden}));
  Array array = Shard(whole, 1, rank.attention);
  if (!setting.loader()) array = PadEnd(array, 0, dims.vocabulary + 1);
  state->push_back({name, std::move(array), std::nullopt, std::nullopt});
}

void AddLayer(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state) {
  AddAttention(setting, rank, layer, state);
  if (setting.is_moe(layer)) {
    AddMoe(setting, rank, layer, state);
  } else {
    AddDenseMlp(setting, rank, layer, state);
  }
  AddInputNorm(setting, layer, state);
  AddPostAttentionNorm(setting, layer, state);
}

}  // namespace

std::string LayerPrefix(std::uint64_t layer) { return "model.layers." + std::to_string(layer); }

void AddPlain(const Setting& setting, const std::string& name, const Sizes& shape, StateDict* state) {
  state->push_back({name, CastOnRead(setting, name, setting.source->Get(name, shape)), std::nullopt, std::nullopt});
}

void AddLinear(const std::string& prefix, Kind kind, std::uint64_t layer, Parts parts, StateDict* state) {
  for (auto& [suffix, array] : parts) state->push_back({prefix + "." + suffix, std::move(array), kind, layer});
}

StateDict MakeStateDict(const Setting& setting, const Rank& rank) {
  const Dimensions& dims = setting.dims;
  StateDict state;
  AddEmbedding(setting, rank, &state);
  for (std::uint64_t layer = 0; layer < dims.layers; ++layer) AddLayer(setting, rank, layer, &state);
  AddPlain(setting, "model.norm.weight", {dims.hidden}, &state);
  if (setting.options.mtp) {
    const std::string prefix = LayerPrefix(dims.layers);
    AddPlain(setting, prefix + ".enorm.weight", {dims.hidden}, &state);
    AddPlain(setting, prefix + ".hnorm.weight", {dims.hidden}, &state);
    AddPlain(setting, prefix + ".eh_proj.weight", {dims.hidden, 2 * dims.hidden}, &state);
    AddLayer(setting, rank, dims.layers, &state);
    AddPlain(setting, prefix + ".shared_head.norm.weight", {dims.hidden}, &state);
  }
  const std::string head = "lm_head.weight";
  const Array whole = CastOnRead(setting, head, setting.source->Get(head, {dims.vocabulary, dims.hidden}));
  state.push_back({head, Shard(whole, 0, rank.lm_head), Kind::kFloat, std::nullopt});
  return state;
}

}  // namespace shardfs::evaluator
