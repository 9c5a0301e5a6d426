// What every rank's tensors are computed from: the model's dimensions, the effective parallel sizes, the options and
// the source. (spec/mindie-weight-sharder.md, sections 1 and 2)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluator/array.h"
#include "evaluator/mindie_evaluator.h"
#include "evaluator/source_directory.h"

namespace shardfs::evaluator {

struct Dimensions {
  std::uint64_t layers = 0;  // without the MTP layer
  std::uint64_t first_moe_layer = 0;
  std::uint64_t heads = 0;
  std::uint64_t hidden = 0;
  std::uint64_t nope = 0;
  std::uint64_t rope = 0;
  std::uint64_t v = 0;
  std::uint64_t kv_rank = 0;
  std::uint64_t q_rank = 0;
  std::uint64_t dense_intermediate = 0;
  std::uint64_t expert_intermediate = 0;
  std::uint64_t experts = 0;
  std::uint64_t shared_experts = 0;
  std::uint64_t vocabulary = 0;
};

// Which group of ranks splits a tensor, and which part of it is meant.
struct Split {
  std::uint64_t parts = 1;
  std::uint64_t part = 0;
};

struct Setting {
  const SourceDirectory* source = nullptr;
  Options options;  // sizes effective, none of them -1 (but dense_mlp_local_tp)
  Dimensions dims;
  Dtype dtype = Dtype::kBF16;  // the model's
  std::optional<std::string> quantize;
  std::optional<std::string> mla_quantize;
  std::optional<std::string> moe_quantize;
  bool has_mtp_quantize = false;
  JsonValue quantization_config;  // config.json's, updated by the description
  bool fa3 = false;

  bool loader() const { return options.fidelity == Fidelity::kLoader; }
  std::uint64_t all_layers() const { return dims.layers + (options.mtp ? 1 : 0); }
  bool is_moe(std::uint64_t layer) const { return layer >= dims.first_moe_layer; }
  std::string attention_quantize() const { return mla_quantize ? *mla_quantize : quantize.value_or(""); }
  std::string dense_quantize() const { return quantize.value_or(""); }
  std::string expert_quantize(std::uint64_t layer) const;
};

// Throws Refused for what the reference rejects, and for what it would lose data on.
Setting MakeSetting(const SourceDirectory& source, const Options& options);

// One rank's coordinates and the splits that follow from them.
struct Rank {
  std::uint64_t rank = 0;
  std::uint64_t attn_tp = 0;
  std::uint64_t moe_tp = 0;
  std::uint64_t moe_ep = 0;
  Split attention;  // also of the embedding
  Split dense;
  Split routed;
  Split shared;
  Split lm_head;
  std::vector<std::uint64_t> experts;  // ids, in order
  std::vector<std::uint64_t> router_rows;
};

Rank MakeRank(const Setting& setting, std::uint64_t rank);

}  // namespace shardfs::evaluator
