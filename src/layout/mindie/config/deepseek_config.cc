#include "layout/mindie/config/deepseek_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/quote_name.h"
#include "layout/mindie/shown_json.h"

namespace shardfs {
namespace {

// Above any model's sizes; keeps every product of three sizes within 64 bits.
constexpr std::int64_t kMaxSize = 1 << 21;

Status MissingKey(std::string_view key) { return Status::Corruption(fmt::format("config.json has no \"{}\"", key)); }

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
      Fail(Status::Corruption(fmt::format("\"{}\" of config.json is {}, not a string", key, ShownJson(*value))));
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
                                          ShownJson(value), minimum, kMaxSize)));
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

Status CheckModelType(std::string_view model_type) {
  constexpr std::array<std::string_view, 3> kTypes = {"deepseekv2", "deepseek_v2", "deepseek_v3"};
  if (std::find(kTypes.begin(), kTypes.end(), model_type) != kTypes.end()) return Status::Ok();
  return Status::NotSupported(fmt::format("\"model_type\" of config.json is {}; the mindie layout covers {}",
                                          QuoteName(model_type), fmt::join(kTypes, ", ")));
}

// The kinds that the layout writes; "" for a key that is absent or null.
Result<std::string> ParseQuantize(const JsonValue& config, std::string_view key, std::string_view origin) {
  const JsonValue* value = config.Find(key);
  if (value == nullptr || value->is_null()) return std::string();
  constexpr std::array<std::string_view, 4> kKinds = {"w8a8", "w8a8_dynamic", "w8a16", "w4a8_dynamic"};
  if (value->is_string() && std::find(kKinds.begin(), kKinds.end(), value->text()) != kKinds.end())
    return value->text();
  return Status::NotSupported(fmt::format("{} is {}; the mindie layout covers {}", origin,
                                          value->is_string() ? QuoteName(value->text()) : ShownJson(*value),
                                          fmt::join(kKinds, ", ")));
}

Result<Dtype> ParseDtype(std::string_view text) {
  if (text == "bfloat16") return Dtype::kBF16;
  if (text == "float16") return Dtype::kF16;
  return Status::NotSupported(
      fmt::format("\"torch_dtype\" of config.json is {}; MindIE takes bfloat16 or float16", QuoteName(text)));
}

}  // namespace

Result<DeepseekConfig> DeepseekConfig::Parse(const JsonValue& json, std::string_view quantize_origin) {
  if (!json.is_object()) return Status::Corruption("config.json is not a JSON object");
  Reader reader(json);
  DeepseekConfig config;
  config.model_type = reader.Text("model_type");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  SHARDFS_RETURN_IF_ERROR(CheckModelType(config.model_type));
  SHARDFS_ASSIGN_OR_RETURN(config.quantize, ParseQuantize(json, "quantize", quantize_origin));
  SHARDFS_ASSIGN_OR_RETURN(config.mla_quantize, ParseQuantize(json, "mla_quantize", "\"mla_quantize\" of config.json"));
  SHARDFS_ASSIGN_OR_RETURN(config.moe_quantize, ParseQuantize(json, "moe_quantize", "\"moe_quantize\" of config.json"));
  config.has_mtp_quantize = json.Find("mtp_quantize") != nullptr;
  const std::string dtype = reader.Text("torch_dtype");
  SHARDFS_RETURN_IF_ERROR(reader.status());
  SHARDFS_ASSIGN_OR_RETURN(config.dtype, ParseDtype(dtype));
  config.hidden_size = reader.Size("hidden_size");
  config.intermediate_size = reader.Size("intermediate_size");
  config.moe_intermediate_size = reader.Size("moe_intermediate_size");
  config.layers = reader.Size("num_hidden_layers");
  config.mtp_layers = reader.OptionalSize("num_nextn_predict_layers");
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
  return config;
}

}  // namespace shardfs
