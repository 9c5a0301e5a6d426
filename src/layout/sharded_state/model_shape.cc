#include "layout/sharded_state/model_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"

namespace shardfs {
namespace {

using Experts = ModelShape::Experts;

// Above any model's sizes; keeps every product of three sizes within 64 bits.
constexpr std::int64_t kMaxSize = 1 << 21;

// What the engines' classes of a model type have, whatever its config.json says.
struct Family {
  std::string_view model_type;
  Experts experts = Experts::kNone;
  bool has_qk_norm = false;
  bool is_latent = false;
};

constexpr std::array<Family, 9> kFamilies = {{
    {"llama"},
    {"mistral"},
    {"qwen2"},
    {"qwen3", Experts::kNone, true},
    {"mixtral", Experts::kMixtral},
    {"qwen2_moe", Experts::kQwen2},
    {"qwen3_moe", Experts::kQwen3, true},
    {"deepseek_v2", Experts::kDeepseek, false, true},
    {"deepseek_v3", Experts::kDeepseek, false, true},
}};

std::string Show(const JsonValue& value) {
  std::string text = DumpPythonJson(value, {.indent = 0});
  std::erase(text, '\n');
  return QuoteName(text);
}

// Reads keys one after the other; the first failure sticks. A key that is null is taken for one that is absent.
class ConfigReader {
 public:
  explicit ConfigReader(const JsonValue& config) : config_(config) {}

  const JsonValue* Find(std::string_view key) const {
    const JsonValue* const value = config_.Find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  std::optional<std::uint64_t> Optional(std::string_view key, std::int64_t minimum = 0) {
    const JsonValue* const value = Find(key);
    return value == nullptr ? std::nullopt : std::optional(Integer(key, *value, minimum));
  }

  std::uint64_t Size(std::string_view key, std::int64_t minimum = 1) {
    const auto value = Optional(key, minimum);
    if (!value) Fail(Status::Corruption(fmt::format("config.json has no \"{}\"", key)));
    return value.value_or(0);
  }

  bool Flag(std::string_view key, bool fallback) {
    const JsonValue* const value = Find(key);
    if (value == nullptr) return fallback;
    if (!value->AsBool())
      Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not true or false", key, Show(*value))));
    return value->AsBool().value_or(fallback);
  }

  std::string Text(std::string_view key) {
    const JsonValue* const value = Find(key);
    if (value == nullptr) return {};
    if (!value->is_string())
      Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not a string", key, Show(*value))));
    return value->is_string() ? value->text() : std::string();
  }

  std::set<std::uint64_t> Numbers(std::string_view key) {
    std::set<std::uint64_t> numbers;
    const JsonValue* const value = Find(key);
    if (value == nullptr) return numbers;
    if (!value->is_array())
      Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not a list", key, Show(*value))));
    for (const JsonValue& item : value->items()) numbers.insert(Integer(key, item, 0));
    return numbers;
  }

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const Status& status() const { return status_; }

 private:
  std::uint64_t Integer(std::string_view key, const JsonValue& value, std::int64_t minimum) {
    const auto number = value.AsInt64();
    if (number && *number >= minimum && *number <= kMaxSize) return static_cast<std::uint64_t>(*number);
    Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not a whole number between {} and {}", key,
                                        Show(value), minimum, kMaxSize)));
    return 0;
  }

  const JsonValue& config_;
  Status status_;
};

Result<const Family*> FindFamily(const std::string& model_type) {
  std::vector<std::string_view> types;
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return &family;
    types.push_back(family.model_type);
  }
  return Status::NotSupported(fmt::format("model_type {} is not covered by the sharded-state layout, which has {}",
                                          QuoteName(model_type), fmt::join(types, ", ")));
}

Result<Dtype> ReadDtype(ConfigReader& reader) {
  const std::string old_name = reader.Text("torch_dtype");
  const std::string new_name = reader.Text("dtype");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  if (!old_name.empty() && !new_name.empty() && old_name != new_name) {
    return Status::Corruption(fmt::format("\"torch_dtype\" of config.json is {}, and \"dtype\" is {}",
                                          QuoteName(old_name), QuoteName(new_name)));
  }
  const std::string& name = old_name.empty() ? new_name : old_name;
  if (name == "bfloat16") return Dtype::kBF16;
  if (name == "float16") return Dtype::kF16;
  if (name == "float32") return Dtype::kF32;
  if (name.empty()) return Status::Corruption("config.json has neither \"torch_dtype\" nor \"dtype\"");
  return Status::NotSupported(
      fmt::format("\"{}\" of config.json is {}; the engines' weights are bfloat16, float16 or float32",
                  old_name.empty() ? "dtype" : "torch_dtype", QuoteName(name)));
}

void ReadAttention(ConfigReader& reader, const Family& family, ModelShape& shape) {
  shape.heads = reader.Size("num_attention_heads");
  if (family.is_latent) {
    ModelShape::LatentAttention mla;
    mla.q_lora_rank = reader.Optional("q_lora_rank", 1);
    mla.kv_lora_rank = reader.Size("kv_lora_rank");
    mla.nope_head_dim = reader.Size("qk_nope_head_dim");
    mla.rope_head_dim = reader.Size("qk_rope_head_dim");
    mla.v_head_dim = reader.Size("v_head_dim");
    shape.mla = mla;
    return;
  }
  shape.kv_heads = reader.Optional("num_key_value_heads", 1).value_or(shape.heads);
  const auto head_dim = reader.Optional("head_dim", 1);
  if (!head_dim && shape.heads > 0 && shape.hidden % shape.heads != 0) {
    reader.Fail(
        Status::Corruption(fmt::format("config.json has no \"head_dim\", and hidden_size {} does not divide by "
                                       "num_attention_heads {}",
                                       shape.hidden, shape.heads)));
  }
  shape.head_dim = head_dim ? *head_dim : shape.heads == 0 ? 0 : shape.hidden / shape.heads;
  shape.has_qk_norm = family.has_qk_norm;
  const bool is_llama = family.model_type == "llama" || family.model_type == "mistral";
  const bool asks_for_bias = family.experts != Experts::kMixtral && reader.Flag("attention_bias", false);
  if (family.model_type == "qwen2")
    shape.has_qkv_bias = true;
  else if (family.model_type == "qwen2_moe")
    shape.has_qkv_bias = reader.Flag("qkv_bias", true);
  else
    shape.has_qkv_bias = asks_for_bias;
  shape.has_o_bias = is_llama && asks_for_bias;
  shape.has_mlp_bias = is_llama && reader.Flag("mlp_bias", false);
}

void ReadDeepseekExperts(ConfigReader& reader, ModelShape& shape) {
  shape.experts = reader.Optional("n_routed_experts").value_or(0);
  if (shape.experts == 0) return;
  shape.expert_intermediate = reader.Size("moe_intermediate_size");
  shape.shared_experts = reader.Optional("n_shared_experts").value_or(0);
  shape.shared_intermediate = shape.shared_experts * shape.expert_intermediate;
  shape.first_moe_layer = reader.Optional("first_k_dense_replace").value_or(0);
  shape.moe_step = reader.Optional("moe_layer_freq", 1).value_or(1);
  const bool is_v3 = shape.model_type == "deepseek_v3";  // whose configuration class has this by default
  const std::string method = reader.Text("topk_method");
  shape.has_router_bias = method.empty() ? is_v3 : method == "noaux_tc";
}

void ReadQwenExperts(ConfigReader& reader, ModelShape& shape) {
  shape.experts = reader.Size("num_experts", 0);
  if (shape.experts == 0) return;
  shape.expert_intermediate = reader.Size("moe_intermediate_size");
  shape.moe_step = reader.Optional("decoder_sparse_step", 1).value_or(1);
  shape.dense_layers = reader.Numbers("mlp_only_layers");
  if (shape.experts_kind != Experts::kQwen2) return;
  shape.shared_intermediate = reader.Size("shared_expert_intermediate_size", 0);
  shape.shared_experts = shape.shared_intermediate > 0 ? 1 : 0;
}

void ReadExperts(ConfigReader& reader, ModelShape& shape) {
  switch (shape.experts_kind) {
    case Experts::kNone:
      return;
    case Experts::kMixtral:
      shape.experts = reader.Size("num_local_experts");
      shape.expert_intermediate = reader.Size("intermediate_size");
      return;
    case Experts::kDeepseek:
      return ReadDeepseekExperts(reader, shape);
    case Experts::kQwen2:
    case Experts::kQwen3:
      return ReadQwenExperts(reader, shape);
  }
}

}  // namespace

bool ModelShape::IsMoe(std::uint64_t layer) const {
  if (experts == 0 || dense_layers.contains(layer)) return false;
  if (experts_kind == Experts::kDeepseek) return layer >= first_moe_layer && layer % moe_step == 0;
  return (layer + 1) % moe_step == 0;
}

bool ModelShape::HasDenseLayers() const {
  for (std::uint64_t layer = 0; layer < layers; ++layer) {
    if (!IsMoe(layer)) return true;
  }
  return false;
}

bool ModelShape::HasMoeLayers() const {
  for (std::uint64_t layer = 0; layer < layers; ++layer) {
    if (IsMoe(layer)) return true;
  }
  return false;
}

Result<ModelShape> ModelShape::Parse(const JsonValue& config) {
  if (!config.is_object()) return Status::Corruption("config.json is not a JSON object");
  ConfigReader reader(config);
  ModelShape shape;
  shape.model_type = reader.Text("model_type");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  SHARDFS_ASSIGN_OR_RETURN(const Family* const family, FindFamily(shape.model_type));
  if (reader.Find("quantization_config") != nullptr) {
    return Status::NotSupported(
        "config.json has a \"quantization_config\": quantised checkpoints are refused, because the engines change such "
        "weights after they load them; --dequantize bf16 shows FP8 weights with block scales as BF16");
  }
  SHARDFS_ASSIGN_OR_RETURN(shape.dtype, ReadDtype(reader));
  shape.hidden = reader.Size("hidden_size");
  shape.layers = reader.Size("num_hidden_layers");
  shape.vocab = reader.Size("vocab_size");
  shape.tied_embedding = reader.Flag("tie_word_embeddings", false);
  ReadAttention(reader, *family, shape);
  shape.experts_kind = family->experts;
  ReadExperts(reader, shape);
  SHARDFS_RETURN_IF_ERROR(reader.status());
  if (shape.HasDenseLayers()) shape.intermediate = reader.Size("intermediate_size");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  return shape;
}

}  // namespace shardfs
