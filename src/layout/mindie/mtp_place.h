// Which layers behind the last decoder layer are MTP layers, and what may be left out of the view because of that.
// Source: spec/mindie-weight-sharder.md, sections 3.3 and 3.7.
//
// An MTP layer is known by `eh_proj`, `enorm` and `hnorm`, which no decoder layer has, and stands where config.json has
// one: behind `num_hidden_layers` layers, as many as `num_nextn_predict_layers` says. A layer that is not both is not
// left out: config.json may say one layer too few, and the model would lose its last one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/config/deepseek_config.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// The layer of "model.layers.7.x"; nothing for other names.
std::optional<std::uint64_t> LayerOfTensorName(std::string_view name);

// Both arguments outlive it. Immutable; may be shared among threads.
class MtpPlace {
 public:
  // Why a tensor is left out, and how many an ordinary checkpoint has of the kind (SourceInventory::Ignore).
  struct Reason {
    std::string text;  // empty: it may not be left out
    std::uint64_t usual = 0;
  };

  MtpPlace(const Checkpoint& checkpoint, const DeepseekConfig& config);

  bool HasTensors(std::uint64_t layer) const { return tensors_.contains(layer); }
  // Whether the layer has any of the three tensors that make it one: it is meant to be an MTP layer.
  bool LooksLikeMtp(std::uint64_t layer) const;

  // `mtp`: whether the MTP layer is shown.
  Reason ReasonToIgnore(std::string_view name, bool mtp) const;

  // Why a layer behind the last decoder layer is no MTP layer that config.json has, as a clause that begins with it.
  std::string WhyNoMtp(std::uint64_t layer) const;

  const DeepseekConfig& config() const { return config_; }
  std::string_view OriginOf(const TensorSpec& tensor) const { return checkpoint_.OriginOf(tensor); }

 private:
  bool IsMtp(std::uint64_t layer) const { return Missing(layer).empty(); }
  std::vector<std::string_view> Missing(std::uint64_t layer) const;  // of the three
  bool ConfigHas(std::uint64_t layer) const;

  const Checkpoint& checkpoint_;
  const DeepseekConfig& config_;
  std::map<std::uint64_t, std::uint64_t> tensors_;  // of the layers behind the last decoder layer, by layer
};

// Source tensors that no rule accounts for: one sentence for each, but one for all of a layer that is not the model's.
class StrayTensors {
 public:
  // `mtp`: whether the MTP layer is shown, and so is the model's.
  StrayTensors(const MtpPlace& place, bool mtp) : place_(place), mtp_(mtp) {}
  void Add(const TensorSpec& tensor);
  std::vector<std::string> Sentences() const;

 private:
  struct Layer {
    const TensorSpec* first = nullptr;
    std::uint64_t count = 0;
  };
  const MtpPlace& place_;
  const bool mtp_;
  std::vector<const TensorSpec*> single_;
  std::map<std::uint64_t, Layer> layers_;
};

}  // namespace shardfs
