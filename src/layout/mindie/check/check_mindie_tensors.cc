// The checks of check_mindie.h that read the headers of the weights: what each rank will find in its five folders.
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "base/quote_name.h"
#include "console/message_text.h"
#include "layout/mindie/check/check_mindie.h"
#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/state_dict.h"
#include "shardfs/base/json.h"
#include "shardfs/checkpoint/safetensors_directory.h"

namespace shardfs {
namespace {

Text ShowAgain() { return Tr("show or write the directory again with --mindie-config"); }

std::uint64_t CeilDivide(std::uint64_t whole, std::uint64_t parts) { return (whole + parts - 1) / parts; }

// A number of rows, columns or experts that a rank must find.
struct Expected {
  Text subject;  // of the finding: the size that it follows from
  std::string tensor;
  std::function<std::uint64_t(const Shape&)> measure;
  Text unit;  // "heads"
  std::uint64_t value = 0;
  std::string reason;  // "tp 8"
};

class TensorChecker {
 public:
  TensorChecker(const MindieDirectoryCheck& check, const DeepseekConfig& config, const MindieOptions& options,
                bool is_float)
      : check_(check), config_(config), options_(options), is_float_(is_float) {}

  std::vector<Finding> Run() {
    const std::vector<Expected> expected = WhatRanksExpect();
    for (const Expected& one : expected) results_[one.subject.english()];
    for (const std::uint32_t rank : check_.ranks.ranks()) {
      if (!OpenFolders(rank)) {
        incomplete_ = true;
        continue;
      }
      CheckDuplicates(rank);
      LookForQuantised();
      for (const Expected& one : expected) CheckOne(rank, one);
    }
    return Findings(expected);
  }

 private:
  // The folders that ranks share are opened once.
  bool OpenFolders(std::uint32_t rank) {
    opened_.clear();
    for (const MindieFolder folder : {MindieFolder::kMoe, MindieFolder::kDense, MindieFolder::kAttention,
                                      MindieFolder::kRank, MindieFolder::kNorm}) {
      const std::string name = MindieFolderName(folder, check_.mapping.At(rank));
      auto [place, is_new] = folders_.try_emplace(name);
      if (is_new) {
        const std::string folder_path = check_.directory + "/" + name;
        auto checkpoint = SafetensorsDirectory::Open(folder_path);
        if (checkpoint.ok()) {
          place->second = *checkpoint;
        } else if (std::error_code error; unreadable_.empty() && std::filesystem::is_directory(folder_path, error)) {
          unreadable_ = Tr("{}: {}", QuoteName(name), TextOf(checkpoint.status()));
        }
      }
      if (place->second == nullptr) return false;
      opened_.push_back(place->second);
    }
    // Folders of this rank alone are not needed again.
    for (const MindieFolder folder : {MindieFolder::kMoe, MindieFolder::kRank}) {
      folders_.erase(MindieFolderName(folder, check_.mapping.At(rank)));
    }
    return true;
  }

  const TensorSpec* Find(const std::string& name) const {
    for (const auto& folder : opened_) {
      if (const auto index = folder->tensors().Find(name)) return &folder->tensors().specs()[*index];
    }
    return nullptr;
  }

  void CheckDuplicates(std::uint32_t rank) {
    if (!duplicate_.empty()) return;
    for (std::size_t i = 0; i < opened_.size(); ++i) {
      for (const TensorSpec& tensor : opened_[i]->tensors().specs()) {
        for (std::size_t j = i + 1; j < opened_.size(); ++j) {
          if (!opened_[j]->tensors().Find(tensor.name)) continue;
          duplicate_ = Tr("rank {} finds {} in two of its folders", rank, QuoteName(tensor.name));
          return;
        }
      }
    }
  }

  // MindIE takes an integer weight for what it is only where it knows of a quantisation.
  void LookForQuantised() {
    if (!is_float_ || !quantised_.empty()) return;
    for (const auto& folder : opened_) {
      for (const TensorSpec& tensor : folder->tensors().specs()) {
        if (tensor.dtype != Dtype::kI8 || !tensor.name.ends_with(".weight")) continue;
        quantised_ = tensor.name;
        return;
      }
    }
  }

  void CheckOne(std::uint32_t rank, const Expected& expected) {
    Finding& result = results_[expected.subject.english()];
    if (result.level == Finding::Level::kWrong) return;
    const TensorSpec* tensor = Find(expected.tensor);
    if (tensor == nullptr) {
      result = Wrong(expected.subject, Tr("rank {} does not find {}", rank, expected.tensor), ShowAgain());
      return;
    }
    const std::uint64_t found = expected.measure(tensor->shape);
    if (found == expected.value) return;
    result = Wrong(expected.subject,
                   Tr("rank {} finds {} {} in {}, and {} makes it {}", rank, found, expected.unit, expected.tensor,
                      expected.reason, expected.value),
                   ShowAgain());
  }

  std::vector<Expected> WhatRanksExpect() const {
    const MindieMapping& sizes = check_.mapping;
    const auto rows = [](const Shape& shape) { return shape.empty() ? 0 : shape.front(); };
    const auto columns = [](const Shape& shape) { return shape.empty() ? 0 : shape.back(); };
    const std::string tp = fmt::format("tp {}", sizes.tp());
    std::vector<Expected> expected = {
        {Tr("embedding"), "model.embed_tokens.weight", columns, Tr("columns"), config_.hidden_size / sizes.tp(), tp},
        {Tr("attention"), "model.layers.0.self_attn.k_b_proj.weight", rows, Tr("heads"), config_.heads / sizes.tp(),
         tp},
    };
    const std::uint32_t head_parts = options_.dp_partition_up ? sizes.tp() : sizes.world_size();
    expected.push_back({Name("lm_head"), "lm_head.weight", rows, Tr("rows"), CeilDivide(config_.vocab_size, head_parts),
                        options_.dp_partition_up ? tp : fmt::format("worldSize {}", sizes.world_size())});
    if (config_.first_dense_layers > 0 && config_.layers > 0) {
      const bool local = options_.dense_mlp_local_tp > 1;
      const std::uint32_t parts = local ? options_.dense_mlp_local_tp : sizes.tp();
      expected.push_back({Tr("dense MLP"), "model.layers.0.mlp.down_proj.weight", columns, Tr("columns"),
                          CeilDivide(config_.intermediate_size, parts),
                          local ? fmt::format("dense_mlp_local_tp {}", parts) : tp});
    }
    if (config_.first_dense_layers < config_.layers) AddExperts(expected);
    if (check_.model.mtp) {
      const std::string name = fmt::format("model.layers.{}.enorm.weight", config_.layers);
      expected.push_back({Name("MTP"), name, rows, Tr("values"), config_.hidden_size, "plugin_params"});
    }
    return expected;
  }

  // A layer's routed experts are stacked: [experts, hidden, columns], or of four bits and transposed, [experts,
  // columns, hidden / 2].
  void AddExperts(std::vector<Expected>& expected) const {
    const MindieMapping& sizes = check_.mapping;
    const std::string layer = fmt::format("model.layers.{}.mlp.", config_.first_dense_layers);
    const std::uint64_t hidden = config_.hidden_size;
    expected.push_back({Tr("expert parallel"), layer + "down_proj.weight",
                        [](const Shape& shape) { return shape.size() == 3 ? shape[0] : 0; }, Tr("experts"),
                        CeilDivide(config_.routed_experts, sizes.moe_ep()), fmt::format("moe_ep {}", sizes.moe_ep())});
    expected.push_back({Tr("expert slices"), layer + "down_proj.weight",
                        [hidden](const Shape& shape) {
                          if (shape.size() != 3) return std::uint64_t{0};
                          return shape[1] == hidden ? shape[2] : shape[1];
                        },
                        Tr("columns"), CeilDivide(config_.moe_intermediate_size, sizes.moe_tp()),
                        fmt::format("moe_tp {}", sizes.moe_tp())});
    if (config_.shared_experts == 0) return;
    const bool whole =
        options_.enable_shared_expert_dp && options_.ep_level == 1 && sizes.moe_ep() > 1 && sizes.dp() * sizes.cp() > 1;
    const bool by_expert = options_.ep_level == 2 && sizes.moe_ep() > 1;
    const std::uint32_t parts = whole ? 1 : by_expert ? sizes.moe_tp() : sizes.world_size();
    expected.push_back(
        {Tr("shared experts"), layer + "shared_experts.down_proj.weight",
         [](const Shape& shape) { return shape.empty() ? 0 : shape.back(); }, Tr("columns"),
         CeilDivide(config_.moe_intermediate_size * config_.shared_experts, parts),
         fmt::format("worldSize {}, moe_tp {}, ep_level {}", sizes.world_size(), sizes.moe_tp(), options_.ep_level)});
  }

  std::vector<Finding> Findings(const std::vector<Expected>& expected) {
    std::vector<Finding> findings;
    Text equal;
    for (const Expected& one : expected) {
      Finding& result = results_[one.subject.english()];
      if (result.level == Finding::Level::kWrong) {
        findings.push_back(std::move(result));
      } else {
        if (!equal.empty()) equal += Tr(", ");
        equal += Tr("{} {} {}", one.subject, one.value, one.unit);
      }
    }
    if (!unreadable_.empty())
      findings.push_back(Wrong(Tr("weights"), unreadable_, Tr("show or write the directory again")));
    if (!duplicate_.empty()) {
      findings.push_back(
          Wrong(Tr("weights"), duplicate_, Tr("remove files that weight_sharder or shardfs did not write")));
    }
    if (!quantised_.empty()) {
      findings.push_back(Wrong(Tr("description"),
                               Tr("{} is I8, but config.json has no \"quantize\", and no "
                                  "quant_model_description.json says \"model_quant_type\"",
                                  quantised_),
                               Tr("show or write the directory again with -O fidelity=loader")));
    }
    if (!incomplete_ && !equal.empty()) findings.push_back(Ok(Tr("weights"), equal));
    return findings;
  }

  const MindieDirectoryCheck& check_;
  const DeepseekConfig& config_;
  const MindieOptions& options_;
  const bool is_float_;  // as far as the configuration says
  std::map<std::string, std::shared_ptr<const SafetensorsDirectory>> folders_;
  std::vector<std::shared_ptr<const SafetensorsDirectory>> opened_;  // of the rank at hand
  std::map<std::string, Finding> results_;                           // by subject, in English
  Text unreadable_;                                        // the first folder that cannot be read, and why
  bool incomplete_ = false;  // some rank has not all of its folders, which is another check's to say
  Text duplicate_;
  std::string quantised_;  // the first integer weight of a model that should have none
};

}  // namespace

std::vector<Finding> CheckMindieTensors(const MindieDirectoryCheck& check, const EffectiveConfig& config) {
  const auto wrong = [](const Status& status) {
    return std::vector{Wrong(Name("config.json"), TextOf(status),
                             Tr("give a directory that weight_sharder or shardfs has made"))};
  };
  // Shapes do not depend on the weights' kinds, of which MindIE takes more than the layout writes.
  JsonValue json = config.json();
  for (const char* key : {"quantize", "mla_quantize", "moe_quantize"}) json = json.WithMember(key, JsonValue::Null());
  const auto sizes = DeepseekConfig::Parse(json);
  if (!sizes.ok()) return wrong(sizes.status());
  const auto options = MindieOptions::Parse(check.model.layout_options, check.dp_partition_up);
  if (!options.ok()) return wrong(options.status());
  return TensorChecker(check, *sizes, *options, config.quantize().empty()).Run();
}

}  // namespace shardfs
