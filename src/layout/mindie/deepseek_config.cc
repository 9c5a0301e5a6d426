#include "layout/mindie/deepseek_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "safetensors/quote_name.h"

namespace shardfs {
namespace {

// Above any model's sizes; keeps every product of three sizes within 64 bits.
constexpr std::int64_t kMaxSize = 1 << 21;

Status MissingKey(std::string_view key) { return Status::Corruption(fmt::format("config.json has no \"{}\"", key)); }

// A value as a message shows it: text in quotes, numbers as they are written, of the rest the type.
std::string Shown(const JsonValue& value) {
  switch (value.type()) {
    case JsonValue::Type::kString:
      return "the string " + QuoteName(value.text());
    case JsonValue::Type::kInteger:
    case JsonValue::Type::kFloat:
      return value.text().substr(0, 40);
    case JsonValue::Type::kNull:
      return "null";
    case JsonValue::Type::kBool:
      return "a boolean";
    case JsonValue::Type::kArray:
      return "an array";
    case JsonValue::Type::kObject:
      break;
  }
  return "an object";
}

// Reads keys one after the other; the first failure sticks.
class Reader {
 public:
  explicit Reader(const JsonValue& config) : config_(config) {}

  std::uint64_t Size(std::string_view key, std::int64_t minimum = 1) {
    const JsonValue* value = Require(key);
    return value == nullptr ? 0 : Integer(key, *value, minimum);
  }

  // Absent and null mean nothing.
  std::optional<std::uint64_t> OptionalSize(std::string_view key) {
    const JsonValue* value = config_.Find(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return Integer(key, *value, 0);
  }

  // The key must be there; null means nothing.
  std::optional<std::uint64_t> NullableSize(std::string_view key, std::int64_t minimum) {
    const JsonValue* value = Require(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return Integer(key, *value, minimum);
  }

  std::string Text(std::string_view key) {
    const JsonValue* value = Require(key);
    if (value == nullptr) return {};
    if (!value->is_string()) {
      Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not a string", key, Shown(*value))));
    }
    return value->text();
  }

  const Status& status() const { return status_; }

 private:
  const JsonValue* Require(std::string_view key) {
    const JsonValue* value = config_.Find(key);
    if (value == nullptr) Fail(MissingKey(key));
    return value;
  }

  std::uint64_t Integer(std::string_view key, const JsonValue& value, std::int64_t minimum) {
    const auto number = value.AsInt64();
    if (!number || *number < minimum || *number > kMaxSize) {
      Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not a whole number between {} and {}", key,
                                          Shown(value), minimum, kMaxSize)));
      return 0;
    }
    return static_cast<std::uint64_t>(*number);
  }

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  const JsonValue& config_;
  Status status_;
};

Status CheckLimit(std::string_view key, std::uint64_t value, std::uint64_t limit) {
  if (value <= limit) return Status::Ok();
  return Status::NotSupported(fmt::format("\"{}\" of config.json is {}; MindIE takes at most {}", key, value, limit));
}

Status CheckModelType(std::string_view model_type) {
  constexpr std::array<std::string_view, 3> kTypes = {"deepseekv2", "deepseek_v2", "deepseek_v3"};
  if (std::find(kTypes.begin(), kTypes.end(), model_type) != kTypes.end()) return Status::Ok();
  return Status::NotSupported(fmt::format("\"model_type\" of config.json is {}; the mindie layout covers {}",
                                          QuoteName(model_type), fmt::join(kTypes, ", ")));
}

// FP8 checkpoints say so in quantization_config; MindIE's own quantised ones may have that key too, for other things.
Status CheckNotFp8(const JsonValue& config) {
  const JsonValue* quantization = config.Find("quantization_config");
  if (quantization == nullptr || !quantization->is_object()) return Status::Ok();
  const JsonValue* method = quantization->Find("quant_method");
  if (method == nullptr) return Status::Ok();
  return Status::NotSupported(
      fmt::format("\"quant_method\" of config.json is {}: such checkpoints are not supported; convert to BF16 first",
                  QuoteName(method->text())));
}

// The kinds that the layout writes; "" for a key that is absent or null.
Result<std::string> ParseQuantize(const JsonValue& config, std::string_view key) {
  const JsonValue* value = config.Find(key);
  if (value == nullptr || value->is_null()) return std::string();
  constexpr std::array<std::string_view, 4> kKinds = {"w8a8", "w8a8_dynamic", "w8a16", "w4a8_dynamic"};
  if (value->is_string() && std::find(kKinds.begin(), kKinds.end(), value->text()) != kKinds.end())
    return value->text();
  return Status::NotSupported(fmt::format("\"{}\" of config.json is {}; the mindie layout covers {}", key,
                                          value->is_string() ? QuoteName(value->text()) : Shown(*value),
                                          fmt::join(kKinds, ", ")));
}

Result<Dtype> ParseDtype(std::string_view text) {
  if (text == "bfloat16") return Dtype::kBF16;
  if (text == "float16") return Dtype::kF16;
  return Status::NotSupported(
      fmt::format("\"torch_dtype\" of config.json is {}; MindIE takes bfloat16 or float16", QuoteName(text)));
}

}  // namespace

Result<DeepseekConfig> DeepseekConfig::Parse(const JsonValue& json) {
  if (!json.is_object()) return Status::Corruption("config.json is not a JSON object");
  Reader reader(json);
  DeepseekConfig config;
  config.model_type = reader.Text("model_type");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  SHARDFS_RETURN_IF_ERROR(CheckModelType(config.model_type));
  SHARDFS_RETURN_IF_ERROR(CheckNotFp8(json));
  SHARDFS_ASSIGN_OR_RETURN(config.quantize, ParseQuantize(json, "quantize"));
  SHARDFS_ASSIGN_OR_RETURN(config.mla_quantize, ParseQuantize(json, "mla_quantize"));
  SHARDFS_ASSIGN_OR_RETURN(config.moe_quantize, ParseQuantize(json, "moe_quantize"));
  config.has_mtp_quantize = json.Find("mtp_quantize") != nullptr;
  const std::string dtype = reader.Text("torch_dtype");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  SHARDFS_ASSIGN_OR_RETURN(config.dtype, ParseDtype(dtype));
  config.hidden_size = reader.Size("hidden_size");
  config.intermediate_size = reader.Size("intermediate_size");
  config.moe_intermediate_size = reader.Size("moe_intermediate_size");
  config.layers = reader.Size("num_hidden_layers");
  config.mtp_layers = reader.OptionalSize("num_nextn_predict_layers").value_or(0);
  config.first_dense_layers = reader.Size("first_k_dense_replace", 0);
  config.heads = reader.Size("num_attention_heads");
  config.routed_experts = reader.Size("n_routed_experts");
  config.shared_experts = reader.NullableSize("n_shared_experts", 0).value_or(0);
  config.vocab_size = reader.Size("vocab_size");
  config.q_lora_rank = reader.NullableSize("q_lora_rank", 1);
  config.kv_lora_rank = reader.Size("kv_lora_rank");
  config.nope_head_dim = reader.Size("qk_nope_head_dim");
  config.rope_head_dim = reader.Size("qk_rope_head_dim");
  config.v_head_dim = reader.Size("v_head_dim");
  config.router_has_bias = reader.Text("topk_method") == "noaux_tc";
  const std::uint64_t moe_layer_freq = reader.OptionalSize("moe_layer_freq").value_or(1);
  SHARDFS_RETURN_IF_ERROR(reader.status());

  if (moe_layer_freq != 1) {
    return Status::NotSupported(
        fmt::format("\"moe_layer_freq\" of config.json is {}; the mindie layout covers 1", moe_layer_freq));
  }
  SHARDFS_RETURN_IF_ERROR(CheckLimit("q_lora_rank", config.q_lora_rank.value_or(1), 1536));
  SHARDFS_RETURN_IF_ERROR(CheckLimit("qk_nope_head_dim", config.nope_head_dim, 128));
  SHARDFS_RETURN_IF_ERROR(CheckLimit("qk_rope_head_dim", config.rope_head_dim, 64));
  SHARDFS_RETURN_IF_ERROR(CheckLimit("first_k_dense_replace", config.first_dense_layers, 61));
  return config;
}

}  // namespace shardfs
