// One rank's tensors, in the order in which the reference saves them (spec/mindie-weight-sharder.md, section 4.3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evaluator/linear.h"
#include "evaluator/setting.h"

namespace shardfs::evaluator {

struct Saved {
  std::string name;
  Array array;
  std::optional<Kind> linear;  // of the linear that it belongs to; nothing for norms, the embedding, FA3, ...
  std::optional<std::uint64_t> layer;
};

using StateDict = std::vector<Saved>;

StateDict MakeStateDict(const Setting& setting, const Rank& rank);

// The parts of one decoder layer.
void AddAttention(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state);
void AddFa3(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state);
void AddDenseMlp(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state);
void AddMoe(const Setting& setting, const Rank& rank, std::uint64_t layer, StateDict* state);

// How a layer's norms are stored, by the description (section 3.6).
enum class NormStyle { kPlain, kBiased, kAnti };
NormStyle AttentionNormStyle(const Setting& setting, std::uint64_t layer);
NormStyle MlpNormStyle(const Setting& setting, std::uint64_t layer);

void AddInputNorm(const Setting& setting, std::uint64_t layer, StateDict* state);
void AddQueryNorm(const Setting& setting, std::uint64_t layer, StateDict* state);
void AddPostAttentionNorm(const Setting& setting, std::uint64_t layer, StateDict* state);
void AddPlain(const Setting& setting, const std::string& name, const Sizes& shape, StateDict* state);

// The output names and parts of a linear.
void AddLinear(const std::string& prefix, Kind kind, std::uint64_t layer, Parts parts, StateDict* state);

// "model.layers.3"
std::string LayerPrefix(std::uint64_t layer);

}  // namespace shardfs::evaluator
