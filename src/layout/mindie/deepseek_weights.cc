#include "layout/mindie/deepseek_weights.h"

#include <fmt/format.h>

#include <charconv>

namespace shardfs {
namespace {

constexpr std::size_t kMaxNamedDefects = 10;
// A config that asks for far more than the checkpoint has is not searched to its end.
constexpr std::size_t kMaxCountedDefects = 10'000;

constexpr std::string_view kLayerPrefix = "model.layers.";

class Resolver {
 public:
  Resolver(const Checkpoint& checkpoint, const DeepseekConfig& config, bool mtp)
      : checkpoint_(checkpoint), config_(config), mtp_(mtp), used_(checkpoint.tensors().size(), false) {}

  Result<DeepseekWeights> Run() {
    SHARDFS_RETURN_IF_ERROR(CheckDtypes());
    DeepseekWeights weights;
    weights.embed_tokens = Find("model.embed_tokens.weight", {config_.vocab_size, config_.hidden_size});
    for (std::uint64_t layer = 0; layer < config_.layers && defects_ < kMaxCountedDefects; ++layer) {
      weights.layers.push_back(FindLayer(layer, config_.IsMoe(layer)));
    }
    weights.norm = Find("model.norm.weight", {config_.hidden_size});
    weights.lm_head = Find("lm_head.weight", {config_.vocab_size, config_.hidden_size});
    if (mtp_) {
      SHARDFS_RETURN_IF_ERROR(CheckMtpPresent());
      weights.mtp = FindMtp();
    }
    SHARDFS_RETURN_IF_ERROR(DefectStatus());
    SHARDFS_RETURN_IF_ERROR(AccountForTheRest(&weights));
    return weights;
  }

 private:
  const TensorInfo* Find(const std::string& name, const Shape& shape) {
    const TensorInfo* info = checkpoint_.Find(name);
    if (info == nullptr) {
      AddDefect(name + " is missing");
      return nullptr;
    }
    used_[static_cast<std::size_t>(info - checkpoint_.tensors().data())] = true;
    if (info->shape != shape) {
      AddDefect(fmt::format("{} is {} in {}, but config.json makes it {}", name, ShapeToString(info->shape),
                            info->source->name(), ShapeToString(shape)));
    }
    return info;
  }

  LinearWeights FindLinear(const std::string& prefix, std::uint64_t rows, std::uint64_t columns) {
    return {Find(prefix + ".weight", {rows, columns})};
  }

  MlpWeights FindMlp(const std::string& prefix, std::uint64_t intermediate) {
    return {FindLinear(prefix + ".gate_proj", intermediate, config_.hidden_size),
            FindLinear(prefix + ".up_proj", intermediate, config_.hidden_size),
            FindLinear(prefix + ".down_proj", config_.hidden_size, intermediate)};
  }

  AttentionWeights FindAttention(const std::string& prefix) {
    const DeepseekConfig& c = config_;
    const std::uint64_t q_rows = c.heads * (c.nope_head_dim + c.rope_head_dim);
    AttentionWeights weights;
    if (c.q_lora_rank) {
      weights.q_a_proj = FindLinear(prefix + ".q_a_proj", *c.q_lora_rank, c.hidden_size);
      weights.q_a_layernorm = Find(prefix + ".q_a_layernorm.weight", {*c.q_lora_rank});
      weights.q_b_proj = FindLinear(prefix + ".q_b_proj", q_rows, *c.q_lora_rank);
    } else {
      weights.q_proj = FindLinear(prefix + ".q_proj", q_rows, c.hidden_size);
    }
    weights.kv_a_proj_with_mqa =
        FindLinear(prefix + ".kv_a_proj_with_mqa", c.kv_lora_rank + c.rope_head_dim, c.hidden_size);
    weights.kv_a_layernorm = Find(prefix + ".kv_a_layernorm.weight", {c.kv_lora_rank});
    weights.kv_b_proj = FindLinear(prefix + ".kv_b_proj", c.heads * (c.nope_head_dim + c.v_head_dim), c.kv_lora_rank);
    weights.o_proj = FindLinear(prefix + ".o_proj", c.hidden_size, c.heads * c.v_head_dim);
    return weights;
  }

  LayerWeights FindLayer(std::uint64_t layer, bool is_moe) {
    const std::string prefix = fmt::format("{}{}", kLayerPrefix, layer);
    LayerWeights weights;
    weights.attention = FindAttention(prefix + ".self_attn");
    weights.input_layernorm = Find(prefix + ".input_layernorm.weight", {config_.hidden_size});
    weights.post_attention_layernorm = Find(prefix + ".post_attention_layernorm.weight", {config_.hidden_size});
    if (!is_moe) {
      weights.dense = FindMlp(prefix + ".mlp", config_.intermediate_size);
      return weights;
    }
    weights.router = Find(prefix + ".mlp.gate.weight", {config_.routed_experts, config_.hidden_size});
    if (config_.router_has_bias) {
      weights.router_bias = Find(prefix + ".mlp.gate.e_score_correction_bias", {config_.routed_experts});
    }
    for (std::uint64_t expert = 0; expert < config_.routed_experts && defects_ < kMaxCountedDefects; ++expert) {
      weights.experts.push_back(
          FindMlp(fmt::format("{}.mlp.experts.{}", prefix, expert), config_.moe_intermediate_size));
    }
    if (config_.shared_experts > 0) {
      weights.shared_experts =
          FindMlp(prefix + ".mlp.shared_experts", config_.moe_intermediate_size * config_.shared_experts);
    }
    return weights;
  }

  MtpWeights FindMtp() {
    const std::string prefix = fmt::format("{}{}", kLayerPrefix, config_.layers);
    MtpWeights weights;
    weights.enorm = Find(prefix + ".enorm.weight", {config_.hidden_size});
    weights.hnorm = Find(prefix + ".hnorm.weight", {config_.hidden_size});
    weights.eh_proj = Find(prefix + ".eh_proj.weight", {config_.hidden_size, 2 * config_.hidden_size});
    weights.layer = FindLayer(config_.layers, true);
    weights.shared_head_norm = Find(prefix + ".shared_head.norm.weight", {config_.hidden_size});
    return weights;
  }

  Status CheckMtpPresent() const {
    const std::string prefix = fmt::format("{}{}.", kLayerPrefix, config_.layers);
    for (const TensorInfo& info : checkpoint_.tensors()) {
      if (info.name.starts_with(prefix)) return Status::Ok();
    }
    return Status::Corruption(
        fmt::format("the MTP layer was asked for, but the checkpoint has no tensor {}*; use --no-mtp", prefix));
  }

  Status CheckDtypes() const {
    for (const TensorInfo& info : checkpoint_.tensors()) {
      if (IsFloat(info.dtype)) continue;
      return Status::NotSupported(fmt::format(
          "{} in {} is {}: FP8 and quantised checkpoints are not supported yet, only F32, F16 and BF16 weights are",
          info.name, info.source->name(), DtypeName(info.dtype)));
    }
    return Status::Ok();
  }

  // Why a tensor that is not part of any file may be left out; empty when it may not.
  std::string ReasonToIgnore(std::string_view name) const {
    if (name.ends_with(".rotary_emb.inv_freq")) return "rotary frequencies are computed by the engine";
    if (!name.starts_with(kLayerPrefix)) return {};
    const std::string_view rest = name.substr(kLayerPrefix.size());
    std::uint64_t layer = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    if (error != std::errc() || end == rest.data() + rest.size() || *end != '.') return {};
    if (layer < config_.layers || layer >= config_.layers + std::max<std::uint64_t>(1, config_.mtp_layers)) return {};
    if (!mtp_) return "the MTP layer is not asked for (--mtp shows it)";
    if (layer > config_.layers) return "MindIE loads one MTP layer only";
    const std::string_view local(end + 1, static_cast<std::size_t>(rest.data() + rest.size() - end - 1));
    if (local == "embed_tokens.weight") return "MindIE's MTP layer shares model.embed_tokens";
    if (local == "shared_head.head.weight") return "MindIE's MTP layer shares lm_head";
    return {};
  }

  Status AccountForTheRest(DeepseekWeights* weights) {
    const auto tensors = checkpoint_.tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (used_[i]) continue;
      std::string reason = ReasonToIgnore(tensors[i].name);
      if (reason.empty()) {
        AddDefect(fmt::format("{} in {} is not a tensor of this model", tensors[i].name, tensors[i].source->name()));
      } else {
        weights->ignored.push_back({tensors[i].name, std::move(reason)});
      }
    }
    return DefectStatus();
  }

  void AddDefect(std::string sentence) {
    if (++defects_ <= kMaxNamedDefects) named_defects_.push_back(std::move(sentence));
  }

  Status DefectStatus() const {
    if (defects_ == 0) return Status::Ok();
    std::string message =
        fmt::format("the checkpoint does not fit its config.json: {}", fmt::join(named_defects_, "; "));
    if (defects_ > kMaxNamedDefects) {
      message += fmt::format("; and {}{} more", defects_ >= kMaxCountedDefects ? "at least " : "",
                             defects_ - kMaxNamedDefects);
    }
    return Status::Corruption(std::move(message));
  }

  const Checkpoint& checkpoint_;
  const DeepseekConfig& config_;
  const bool mtp_;
  std::vector<bool> used_;  // by index into the checkpoint's tensors
  std::size_t defects_ = 0;
  std::vector<std::string> named_defects_;
};

}  // namespace

Result<DeepseekWeights> DeepseekWeights::Resolve(const Checkpoint& checkpoint, const DeepseekConfig& config, bool mtp) {
  return Resolver(checkpoint, config, mtp).Run();
}

}  // namespace shardfs
