// What the page of `shardfs plan --html` shows, added up from a view: who holds which part of which layer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "console/text.h"
#include "report/plan_report.h"

namespace shardfs {

enum class WeightClass : std::uint8_t {
  kRoutedExperts,
  kSharedExperts,
  kAttention,
  kDense,
  kEmbedding,  // and lm_head
  kSmall,      // norms and routers
  kOther,
  kFiles,  // headers, JSON and copied files
};
inline constexpr std::size_t kWeightClasses = 8;
using ClassBytes = std::array<std::uint64_t, kWeightClasses>;

Text WeightClassName(WeightClass weight_class);

// Of a tensor's name, in the source (one expert a tensor) or in the view, where the stacked experts of a MoE layer have
// the names of a dense MLP: `stacked` says that the tensor is of such a layer.
WeightClass ClassOf(std::string_view name, bool stacked);

// The layer in "model.layers.12.mlp...", or nothing: behind another "layers", or above any model's number of them, a
// number is none.
std::optional<std::uint32_t> LayerOfTensor(std::string_view name);

struct RankPicture {
  std::uint32_t rank = 0;
  std::uint32_t node = 0;
  std::uint64_t bytes = 0;  // the sum of by_class, and of by_column
  ClassBytes by_class{};
  std::vector<std::uint64_t> by_column;
  std::optional<RankDescription> parts;  // nothing where the layout does not say
};

struct PlanColumn {
  std::string label;   // "12", "MTP 61", "top", "files"
  Text spoken;         // "layer 12"
  bool has_experts = false;
};

struct PlanPicture {
  std::vector<PlanColumn> columns;  // what belongs to no layer, the layers, headers and files
  std::vector<RankPicture> ranks;
  ClassBytes source{};  // of the source's tensors that the view is made of
  ClassBytes loaded{};  // by all ranks together
  ClassBytes once{};    // of all files, each once
  std::uint32_t expert_groups = 0;
};

PlanPicture MakePlanPicture(const BuiltView& view, const PlanReport& report);

}  // namespace shardfs
