#include "evaluator/json_files.h"

#include <algorithm>
#include <cctype>

namespace shardfs::evaluator {
namespace {

using Members = std::vector<JsonMember>;

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string ValueOf(const Setting& setting, const Saved& saved) {
  const bool by_kind = saved.name.find(".weight") != std::string::npos || saved.name.find(".bias") != std::string::npos;
  return saved.linear && by_kind ? KindName(*saved.linear) : Upper(*setting.quantize);
}

void Add(Members* members, const std::string& key, const std::string& value) {
  members->emplace_back(key, JsonValue::String(value));
}

// "model.layers.3.mlp" of "model.layers.3.mlp.gate_up_proj.weight"; empty for any other name.
std::string PackedMlp(const std::string& name) {
  const std::string suffix = ".gate_up_proj.weight";
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : "";
}

// The keys that one saved tensor gives under the loader's rules.
void AddForLoader(const Setting& setting, const Saved& saved, Members* members) {
  const std::string value = ValueOf(setting, saved);
  const std::string mlp = PackedMlp(saved.name);
  if (!mlp.empty()) {
    const bool shared = mlp.ends_with(".shared_experts");
    const std::string layer = LayerPrefix(*saved.layer);
    const bool routed = !shared && setting.is_moe(*saved.layer);
    const std::string quantize = routed ? setting.expert_quantize(*saved.layer) : setting.dense_quantize();
    const bool anti = !shared && setting.source->Described(layer + ".post_attention_layernorm.module.weight");
    if (!anti) Add(members, saved.name, value);
    if (anti || (saved.linear == Kind::kFloat && quantize != "w8a8_dynamic")) {
      Add(members, mlp + ".gate_proj.weight", value);
      Add(members, mlp + ".up_proj.weight", value);
    }
    return;
  }
  const std::optional<std::string> described = setting.source->Described(saved.name);
  const bool module = saved.name.ends_with(".module.weight") || saved.name.ends_with(".module.bias");
  Add(members, saved.name, module ? described.value_or(value) : value);
}

// A norm that is stored plain although the description knows its anti-outlier pair.
void AddModuleKeys(const Setting& setting, Members* members) {
  Members result;
  const auto has = [&](const std::string& key) {
    return std::any_of(members->begin(), members->end(), [&](const JsonMember& member) { return member.first == key; });
  };
  for (JsonMember& member : *members) {
    const std::string name = member.first;
    result.push_back(std::move(member));
    if (!name.ends_with(".input_layernorm.weight") && !name.ends_with(".post_attention_layernorm.weight")) continue;
    const std::string key = name.substr(0, name.size() - std::string("weight").size()) + "module.weight";
    const std::optional<std::string> value = setting.source->Described(key);
    if (value && !has(key)) Add(&result, key, *value);
  }
  *members = std::move(result);
}

std::string Description(const Setting& setting, const StateDict& state) {
  Members members;
  Add(&members, "model_quant_type", Upper(*setting.quantize));
  Add(&members, "version", setting.source->Described("version").value_or("0.0.0"));
  for (const Saved& saved : state) {
    if (setting.loader()) {
      AddForLoader(setting, saved, &members);
    } else {
      Add(&members, saved.name, ValueOf(setting, saved));
    }
  }
  if (setting.loader()) AddModuleKeys(setting, &members);
  const JsonValue* group_size = setting.quantization_config.Find("group_size");
  members.emplace_back("group_size", group_size == nullptr ? JsonValue::Integer(0) : *group_size);
  for (const char* key : {"kv_quant_type", "fa_quant_type", "reduce_quant_type"}) {
    const JsonValue* value = setting.quantization_config.Find(key);
    members.emplace_back(key, value == nullptr ? JsonValue::Null() : *value);
  }
  return DumpPythonJson(JsonValue::Object(std::move(members)));
}

bool IsCopied(const std::string& name) {
  for (const char* part : {"tokenizer", "tokenization", "special_token_map", "generation", "configuration"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::map<std::string, std::string> RootFiles(const Setting& setting, const StateDict& state) {
  std::map<std::string, std::string> files;
  for (const auto& [name, bytes] : setting.source->files) {
    if (IsCopied(name)) files[name] = bytes;
  }
  const std::string dtype = setting.dtype == Dtype::kBF16 ? "bfloat16" : "float16";
  files["config.json"] = DumpPythonJson(setting.source->config.WithMember("torch_dtype", JsonValue::String(dtype)));
  if (setting.quantize) {
    const std::string version = setting.source->Described("version").value_or("0.0.0");
    const std::string suffix = version == "0.0.0" ? "_" + *setting.quantize : "";
    files["quant_model_description" + suffix + ".json"] = Description(setting, state);
  }
  return files;
}

JsonValue Metadata(const Setting& setting, const Directory& directory) {
  const Options& o = setting.options;
  std::map<std::string, std::vector<JsonValue>> listing;
  listing["."] = {};
  for (const std::string& folder : directory.folders) listing[folder] = {};
  // A second node's first rank has left its files in the root when rank 0 lists it.
  const bool root_is_filled = o.nodes > 1 && !setting.loader();
  for (const auto& [path, bytes] : directory.files) {
    const std::size_t slash = path.find('/');
    if (slash == std::string::npos && !root_is_filled) continue;
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
    listing[folder].push_back(JsonValue::String(path.substr(slash + 1)));
  }
  if (root_is_filled) listing["."].push_back(JsonValue::String("model_sharded_metadata.json"));
  Members sharded;
  for (auto& [folder, files] : listing) sharded.emplace_back(folder, JsonValue::Array(std::move(files)));
  return JsonValue::Object({{"world_size", JsonValue::Integer(o.world)},
                            {"parallel_option", JsonValue::Object({{"dp", JsonValue::Integer(o.dp)},
                                                                   {"tp", JsonValue::Integer(o.tp)},
                                                                   {"moe_tp", JsonValue::Integer(o.moe_tp)},
                                                                   {"moe_ep", JsonValue::Integer(o.moe_ep)}})},
                            {"model_sharded", JsonValue::Object(std::move(sharded))}});
}

}  // namespace shardfs::evaluator
