#include "layout/mindie/deepseek_weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "layout/mindie/linear_resolver.h"
#include "layout/mindie/mtp_place.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "layout/mindie/source_files.h"
#include "layout/mindie/source_inventory.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::string_view kLayerPrefix = "model.layers.";
constexpr std::initializer_list<Dtype> kFloats = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};

class Resolver {
 public:
  Resolver(const Checkpoint& checkpoint, const DeepseekConfig& config, const QuantDescription* description, bool fa3,
           bool mtp)
      : checkpoint_(checkpoint),
        config_(config),
        description_(description),
        fa3_(fa3),
        mtp_(mtp),
        inventory_(checkpoint),
        linears_(&inventory_, description) {}

  Result<DeepseekWeights> Run() {
    Result<DeepseekWeights> weights = FindAll();
    if (weights.ok()) return weights;
    const bool mtp_is_first = mtp_ && inventory_.missing().empty();
    const std::string why =
        ExplainMissing(checkpoint_, inventory_.missing(),
                       mtp_is_first ? fmt::format("{}{}.", kLayerPrefix, config_.layers) : std::string());
    return why.empty() ? weights.status() : weights.status().WithContext(why);
  }

 private:
  Result<DeepseekWeights> FindAll() {
    DeepseekWeights weights;
    weights.checkpoint = &checkpoint_;
    weights.has_fa3 = fa3_;
    weights.embed_tokens = Float("model.embed_tokens.weight", {config_.vocab_size, config_.hidden_size});
    for (std::uint64_t layer = 0; layer < config_.layers && !inventory_.TooManyDefects(); ++layer) {
      weights.layers.push_back(FindLayer(layer, config_.IsMoe(layer)));
    }
    weights.norm = Float("model.norm.weight", {config_.hidden_size});
    weights.lm_head = Float("lm_head.weight", {config_.vocab_size, config_.hidden_size});
    if (mtp_) {
      SHARDFS_RETURN_IF_ERROR(CheckMtpPresent());
      weights.mtp = FindMtp();
    }
    SHARDFS_RETURN_IF_ERROR(linears_.status());
    SHARDFS_RETURN_IF_ERROR(status_);
    SHARDFS_RETURN_IF_ERROR(inventory_.ToStatus());
    SHARDFS_RETURN_IF_ERROR(AccountForTheRest(&weights.warnings));
    weights.ignored = inventory_.TakeIgnored();
    std::sort(weights.ignored.begin(), weights.ignored.end(),
              [](const IgnoredTensor& a, const IgnoredTensor& b) { return a.name < b.name; });
    return weights;
  }

  // A tensor that is a float in every kind of checkpoint.
  const TensorSpec* Float(const std::string& name, const Shape& shape) {
    const TensorSpec* found = checkpoint_.Find(name);
    if (found != nullptr && !IsFloat(found->dtype)) {
      Fail(Status::NotSupported(
          fmt::format("{} in {} is {}, which the mindie layout does not show; {}", name,
                      checkpoint_.OriginOf(*found), DtypeName(found->dtype), WayToBF16(checkpoint_, *found))));
    }
    return inventory_.Require(name, {shape}, kFloats);
  }

  MlpWeights FindMlp(const std::string& prefix, std::uint64_t intermediate, const std::string& quantize, bool routed) {
    MlpWeights mlp;
    mlp.gate_proj =
        linears_.Find(prefix + ".gate_proj", LinearRole::kColumn, intermediate, config_.hidden_size, quantize, routed);
    mlp.up_proj =
        linears_.Find(prefix + ".up_proj", LinearRole::kColumn, intermediate, config_.hidden_size, quantize, routed);
    mlp.down_proj =
        linears_.Find(prefix + ".down_proj", LinearRole::kRow, config_.hidden_size, intermediate, quantize, routed);
    // A weight that is missing has no kind, and is a defect of its own.
    const bool both = mlp.gate_proj.weight != nullptr && mlp.up_proj.weight != nullptr;
    if (both && mlp.gate_proj.kind != mlp.up_proj.kind) {
      Fail(Status::NotSupported(fmt::format("{}.gate_proj is {}, but .up_proj is {}; they are packed into one tensor",
                                            prefix, LinearKindName(mlp.gate_proj.kind),
                                            LinearKindName(mlp.up_proj.kind))));
    }
    return mlp;
  }

  AttentionWeights FindAttention(const std::string& prefix) {
    const DeepseekConfig& c = config_;
    const std::uint64_t q_rows = c.heads * (c.nope_head_dim + c.rope_head_dim);
    const auto find = [&](const char* name, LinearRole role, std::uint64_t rows, std::uint64_t columns) {
      return linears_.Find(prefix + name, role, rows, columns, c.AttentionQuantize(), false);
    };
    AttentionWeights weights;
    if (c.q_lora_rank) {
      weights.q_a_proj = find(".q_a_proj", LinearRole::kReplicated, *c.q_lora_rank, c.hidden_size);
      weights.q_b_proj = find(".q_b_proj", LinearRole::kColumn, q_rows, *c.q_lora_rank);
    } else {
      weights.q_proj = find(".q_proj", LinearRole::kColumn, q_rows, c.hidden_size);
    }
    weights.kv_a_proj_with_mqa =
        find(".kv_a_proj_with_mqa", LinearRole::kReplicated, c.kv_lora_rank + c.rope_head_dim, c.hidden_size);
    weights.kv_a_layernorm = Float(prefix + ".kv_a_layernorm.weight", {c.kv_lora_rank});
    weights.kv_b_proj =
        find(".kv_b_proj", LinearRole::kFloatOnly, c.heads * (c.nope_head_dim + c.v_head_dim), c.kv_lora_rank);
    weights.o_proj = find(".o_proj", LinearRole::kRow, c.hidden_size, c.heads * c.v_head_dim);
    FindFa3(prefix, &weights);
    return weights;
  }

  void FindFa3(const std::string& prefix, AttentionWeights* weights) {
    const std::string q_scale = prefix + ".fa_q.scale";
    const std::string k_scale = prefix + ".fa_k.scale";
    if (fa3_ && checkpoint_.Find(q_scale) != nullptr) {
      weights->fa_q_scale = Float(q_scale, {config_.heads, 1});
      weights->fa_k_scale = inventory_.Require(k_scale, {{1, 1}, {1}}, kFloats);
    } else {
      inventory_.Ignore(q_scale, "no \"fa_quant_type\" is set", 0);
      inventory_.Ignore(k_scale, "no \"fa_quant_type\" is set", 0);
    }
    for (const char* name : {".fa_q.offset", ".fa_k.offset", ".fa_v.scale", ".fa_v.offset"}) {
      inventory_.Ignore(prefix + name, "weight_sharder does not save it");
    }
  }

  std::string DescribedKind(const std::string& name) {
    if (description_ == nullptr) return {};
    const auto kind = description_->KindOf(name);
    // A kind that is no string is a defect of the linear, which its resolver names.
    if (!kind && description_->Find(name) == nullptr) {
      inventory_.AddDefect(fmt::format("{} does not say what {} is", description_->file_name(), name));
    }
    return std::string(kind.value_or(""));
  }

  bool AnyIs(const std::vector<std::string>& linears, std::string_view kind) {
    bool any = false;
    for (const std::string& linear : linears) any = DescribedKind(linear + ".weight") == kind || any;
    return any;
  }

  // Section 3.6. `may_be_anti`: whether the reference looks for an anti-outlier pair of this norm.
  NormWeights FindNorm(const std::string& name, std::uint64_t size, const std::string& quantize,
                       const std::vector<std::string>& linears, bool may_be_anti) {
    NormWeights norm;
    norm.weight = Float(name + ".weight", {size});
    const std::string module = name + ".module";
    const bool described = description_ != nullptr && description_->Find(module + ".weight") != nullptr;
    norm.is_described_anti = described && !name.ends_with(".q_a_layernorm");
    const bool static_kind = quantize == "w8a8" && AnyIs(linears, "W8A8");
    const bool anti = described && may_be_anti && (static_kind || (quantize == "w8a16" && AnyIs(linears, "W8A16")));
    if (described && !description_->KindOf(module + ".weight")) {
      inventory_.AddDefect(
          fmt::format("{} gives {}.weight a kind that is no string", description_->file_name(), module));
    }
    if (anti) {
      norm.anti_weight = Float(module + ".weight", {size});
      norm.anti_bias = Float(module + ".bias", {size});
    } else {
      for (const char* part : {".weight", ".bias"}) inventory_.Ignore(module + part, "this norm is shown plain", 0);
    }
    norm.has_bias = static_kind && !anti;
    if (norm.has_bias && checkpoint_.Find(name + ".bias") != nullptr) {
      norm.bias = Float(name + ".bias", {size});
    } else {
      inventory_.Ignore(name + ".bias", "this norm has no bias with weights of this kind", 0);
    }
    return norm;
  }

  void FindNorms(const std::string& prefix, bool is_moe, LayerWeights* layer) {
    const std::string attention = prefix + ".self_attn";
    std::vector<std::string> projections = {attention + ".kv_a_proj_with_mqa", attention + ".kv_b_proj",
                                            attention + ".o_proj"};
    if (config_.q_lora_rank) {
      projections.insert(projections.begin(), {attention + ".q_a_proj", attention + ".q_b_proj"});
    } else {
      projections.insert(projections.begin(), attention + ".q_proj");
    }
    const std::string& attention_quantize = config_.AttentionQuantize();
    layer->input_layernorm =
        FindNorm(prefix + ".input_layernorm", config_.hidden_size, attention_quantize, projections, true);
    if (config_.q_lora_rank) {
      NormWeights q_a =
          FindNorm(attention + ".q_a_layernorm", *config_.q_lora_rank, attention_quantize, projections, false);
      // It follows the input norm: with an anti-outlier pair there, it has no bias either.
      if (layer->input_layernorm.anti_weight != nullptr) {
        q_a.has_bias = false;
        q_a.bias = nullptr;
        inventory_.Ignore(attention + ".q_a_layernorm.bias", "this norm has no bias with anti-outlier norms", 0);
      }
      layer->attention.q_a_layernorm = q_a;
    }
    const std::string mlp = prefix + (is_moe ? ".mlp.shared_experts" : ".mlp");
    std::vector<std::string> gate_up;
    if (!is_moe || config_.shared_experts > 0) gate_up = {mlp + ".gate_proj", mlp + ".up_proj"};
    layer->post_attention_layernorm =
        FindNorm(prefix + ".post_attention_layernorm", config_.hidden_size, config_.quantize, gate_up, !is_moe);
  }

  LayerWeights FindLayer(std::uint64_t index, bool is_moe) {
    const std::string prefix = fmt::format("{}{}", kLayerPrefix, index);
    LayerWeights layer;
    layer.attention = FindAttention(prefix + ".self_attn");
    FindNorms(prefix, is_moe, &layer);
    if (!is_moe) {
      layer.dense = FindMlp(prefix + ".mlp", config_.intermediate_size, config_.quantize, false);
      return layer;
    }
    layer.router = Float(prefix + ".mlp.gate.weight", {config_.routed_experts, config_.hidden_size});
    if (config_.router_has_bias) {
      layer.router_bias = Float(prefix + ".mlp.gate.e_score_correction_bias", {config_.routed_experts});
    }
    FindExperts(prefix, index, &layer);
    if (config_.shared_experts > 0) {
      layer.shared_experts = FindMlp(prefix + ".mlp.shared_experts",
                                     config_.moe_intermediate_size * config_.shared_experts, config_.quantize, false);
    }
    return layer;
  }

  void FindExperts(const std::string& prefix, std::uint64_t index, LayerWeights* layer) {
    const std::string& quantize = config_.ExpertQuantize(index == config_.layers);
    for (std::uint64_t expert = 0; expert < config_.routed_experts && !inventory_.TooManyDefects(); ++expert) {
      const std::string name = fmt::format("{}.mlp.experts.{}", prefix, expert);
      layer->experts.push_back(FindMlp(name, config_.moe_intermediate_size, quantize, true));
      const MlpWeights& first = layer->experts.front();
      const MlpWeights& last = layer->experts.back();
      if (!IsWhole(first) || !IsWhole(last)) continue;  // what is missing is a defect of its own
      if (last.gate_proj.kind != first.gate_proj.kind || last.down_proj.kind != first.down_proj.kind) {
        Fail(Status::NotSupported(
            fmt::format("{} is of another weight kind than expert 0; they are stacked into one tensor", name)));
      }
    }
  }

  MtpWeights FindMtp() {
    const std::string prefix = fmt::format("{}{}", kLayerPrefix, config_.layers);
    MtpWeights weights;
    weights.enorm = Float(prefix + ".enorm.weight", {config_.hidden_size});
    weights.hnorm = Float(prefix + ".hnorm.weight", {config_.hidden_size});
    weights.eh_proj = Float(prefix + ".eh_proj.weight", {config_.hidden_size, 2 * config_.hidden_size});
    weights.layer = FindLayer(config_.layers, true);
    weights.shared_head_norm = Float(prefix + ".shared_head.norm.weight", {config_.hidden_size});
    return weights;
  }

  static bool IsWhole(const MlpWeights& mlp) {
    return mlp.gate_proj.weight != nullptr && mlp.up_proj.weight != nullptr && mlp.down_proj.weight != nullptr;
  }

  Status CheckMtpPresent() const {
    const MtpPlace place(checkpoint_, config_);
    if (!place.HasTensors(config_.layers) && !ShardsOf(checkpoint_).empty()) {
      return Status::InvalidArgument(
          "the MTP layer is asked for, but the directory was written without it; use --no-mtp, or shard the full "
          "checkpoint");
    }
    if (!place.HasTensors(config_.layers)) {
      return Status::Corruption(
          fmt::format("the MTP layer was asked for, but the checkpoint has no tensor {}{}.*; use --no-mtp",
                      kLayerPrefix, config_.layers));
    }
    if (place.LooksLikeMtp(config_.layers)) return Status::Ok();
    return Status::Corruption(
        fmt::format("the MTP layer was asked for, but {} (\"num_hidden_layers\" of config.json is {})",
                    place.WhyNoMtp(config_.layers), config_.layers));
  }

  // Why a tensor that no file is made of may be left out; empty when it may not.
  MtpPlace::Reason ReasonToIgnore(std::string_view name, const MtpPlace& place) const {
    if (name.ends_with(".rotary_emb.inv_freq")) {
      return {"rotary frequencies are computed by the engine", config_.layers + config_.mtp_layers.value_or(1) + 1};
    }
    return place.ReasonToIgnore(name, mtp_);
  }

  Status AccountForTheRest(std::vector<std::string>* warnings) {
    const MtpPlace place(checkpoint_, config_);
    StrayTensors stray(place, mtp_);
    ExtraFiles extra(checkpoint_, inventory_.NeededFiles());
    for (const TensorSpec* info : inventory_.Unaccounted()) {
      const MtpPlace::Reason reason = ReasonToIgnore(info->name, place);
      const auto layer = LayerOfTensorName(info->name);
      const bool is_of_stray_layer = layer && *layer >= config_.layers;  // whose own sentence says more
      if (!reason.text.empty()) {
        inventory_.Ignore(std::string(info->name), reason.text, reason.usual);
      } else if (is_of_stray_layer || !extra.Add(*info)) {
        stray.Add(*info);
      }
    }
    for (std::string& sentence : inventory_.UnusualIgnored()) warnings->push_back(std::move(sentence));
    AccountForExtraFiles(extra, warnings);
    for (std::string& sentence : stray.Sentences()) inventory_.AddDefect(std::move(sentence));
    return inventory_.ToStatus();
  }

  void AccountForExtraFiles(const ExtraFiles& extra, std::vector<std::string>* warnings) {
    for (const auto& [file, tensors] : extra.files()) {
      if (!extra.IsLeftOut(file)) continue;
      for (const TensorSpec* info : tensors) inventory_.Ignore(std::string(info->name), "no index names its file, " + std::string(file));
    }
    for (std::string& sentence : extra.Refusals()) inventory_.AddDefect(std::move(sentence));
    for (std::string& sentence : extra.Warnings()) warnings->push_back(std::move(sentence));
    for (std::string& sentence : IndexWarnings(checkpoint_, extra)) warnings->push_back(std::move(sentence));
  }

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  const Checkpoint& checkpoint_;
  const DeepseekConfig& config_;
  const QuantDescription* description_;
  const bool fa3_;
  const bool mtp_;
  SourceInventory inventory_;
  LinearResolver linears_;
  Status status_;
};

}  // namespace

Result<DeepseekWeights> DeepseekWeights::Resolve(const Checkpoint& checkpoint, const DeepseekConfig& config,
                                                 const QuantDescription* description, bool fa3, bool mtp) {
  return Resolver(checkpoint, config, description, fa3, mtp).Run();
}

}  // namespace shardfs
