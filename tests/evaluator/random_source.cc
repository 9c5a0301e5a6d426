// Writes a random case's source directory.
#include <fstream>

#include "evaluator/packing.h"
#include "evaluator/random_case.h"

namespace shardfs::evaluator {
namespace {

void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string ConfigText(RandomNumbers* random, const RandomCase& c) {
  const Dimensions& d = c.dims;
  std::string text = "{\n";
  const auto number = [&](const char* key, std::uint64_t value) {
    text += "  \"" + std::string(key) + "\": " + std::to_string(value) + ",\n";
  };
  const auto string = [&](const char* key, const std::string& value) {
    text += "  \"" + std::string(key) + "\": \"" + value + "\",\n";
  };
  text += R"(  "architectures": ["DeepseekV3ForCausalLM"], "rms_norm_eps": 1e-6, "attention_dropout": 0.0,)"
          "\n";
  text += R"(  "auto_map": {}, "note": "\u00fc Ω 😀 \" \\ /", "nothing": null, "tie_word_embeddings": false,)"
          "\n";
  text += R"(  "rope_scaling": {"factor": 40, "mscale": 1.0, "type": "yarn", "list": []}, "rope_theta": 1e4,)"
          "\n";
  string("model_type", "deepseek_v3");
  string("topk_method", "noaux_tc");
  string("scoring_func", "sigmoid");
  string("hidden_act", "silu");
  number("num_hidden_layers", d.layers);
  number("first_k_dense_replace", d.first_moe_layer);
  number("num_attention_heads", d.heads);
  number("num_key_value_heads", d.heads);
  number("hidden_size", d.hidden);
  number("qk_nope_head_dim", d.nope);
  number("qk_rope_head_dim", d.rope);
  number("v_head_dim", d.v);
  number("kv_lora_rank", d.kv_rank);
  number("q_lora_rank", d.q_rank);
  number("intermediate_size", d.dense_intermediate);
  number("moe_intermediate_size", d.expert_intermediate);
  number("moe_layer_freq", 1);
  number("n_routed_experts", d.experts);
  number("n_shared_experts", d.shared_experts);
  number("num_experts_per_tok", 1);
  number("n_group", 1);
  number("topk_group", 1);
  number("num_nextn_predict_layers", 1);
  if (c.quantize) string("quantize", *c.quantize);
  if (c.mla_quantize) string("mla_quantize", *c.mla_quantize);
  if (c.moe_quantize) string("moe_quantize", *c.moe_quantize);
  if (c.mtp_quantize) string("mtp_quantize", random->OneOf<std::string>({"w8a8_dynamic", "w8a8"}));
  if (c.fa_quant_type && c.fa_in_config) {
    text += R"(  "quantization_config": {"fa_quant_type": ")" + *c.fa_quant_type + "\"},\n";
  }
  string("torch_dtype", c.dtype == Dtype::kBF16 ? "bfloat16" : "float16");
  number("vocab_size", d.vocabulary);
  return text.substr(0, text.size() - 2) + "\n}\n";
}

}  // namespace

void WriteSource(RandomNumbers* random, const RandomCase& c, const std::filesystem::path& directory) {
  WriteFile(directory / "config.json", ConfigText(random, c));
  WriteFile(directory / "generation_config.json", "{\"top_k\": 5}");
  WriteFile(directory / "tokenizer_config.json", "{ }");
  WriteFile(directory / "special_tokens_map.json", "{}");
  WriteFile(directory / "configuration_deepseek.py", "# configuration\n");
  WriteFile(directory / "modeling_deepseek.py", "# model\n");
  if (c.quantize) {
    const bool new_name = random->Chance(50);
    const std::string name = "quant_model_description" + (new_name ? "" : "_" + *c.quantize) + ".json";
    WriteFile(directory / name, DumpPythonJson(JsonValue::Object(c.description)));
  }
  std::vector<StateDict> files(random->Between(1, 3));
  for (const auto& [name, array] : c.tensors) {
    StateDict& file = files[random->Between(0, files.size() - 1)];
    file.push_back({name, array, std::nullopt, std::nullopt});
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    WriteFile(directory / ("weights-" + std::to_string(i) + ".safetensors"), SafetensorsBytes(files[i]));
  }
}

}  // namespace shardfs::evaluator
