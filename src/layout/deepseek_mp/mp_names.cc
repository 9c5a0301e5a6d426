#include "layout/deepseek_mp/mp_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/parse_number.h"

namespace shardfs {
namespace {

struct Row {
  std::string_view key;
  std::string_view renamed;
  std::optional<std::uint64_t> axis;
};

constexpr std::array<Row, 17> kTable = {{
    {"embed_tokens", "embed", 0},
    {"input_layernorm", "attn_norm", std::nullopt},
    {"post_attention_layernorm", "ffn_norm", std::nullopt},
    {"q_proj", "wq", 0},
    {"q_a_proj", "wq_a", std::nullopt},
    {"q_a_layernorm", "q_norm", std::nullopt},
    {"q_b_proj", "wq_b", 0},
    {"kv_a_proj_with_mqa", "wkv_a", std::nullopt},
    {"kv_a_layernorm", "kv_norm", std::nullopt},
    {"kv_b_proj", "wkv_b", 0},
    {"o_proj", "wo", 1},
    {"gate", "gate", std::nullopt},
    {"gate_proj", "w1", 0},
    {"down_proj", "w2", 1},
    {"up_proj", "w3", 0},
    {"norm", "norm", std::nullopt},
    {"lm_head", "head", 0},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kReplacements = {{
    {"self_attn", "attn"},
    {"mlp", "ffn"},
    {"weight_scale_inv", "scale"},
    {"e_score_correction_bias", "bias"},
}};

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// The parts of a name, between its dots.
std::vector<std::string_view> PartsOf(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Fills expert and expert_group of a routed expert's tensor.
bool FindExpert(MpTensor& tensor) {
  const std::vector<std::string_view> parts = PartsOf(tensor.name);
  if (parts.size() < 4) return false;
  tensor.expert = ParseNumber<std::uint64_t>(parts[parts.size() - 3]);
  if (!tensor.expert) return false;
  const auto group_bytes = static_cast<std::size_t>(parts[parts.size() - 3].data() - tensor.name.data());
  tensor.expert_group = tensor.name.substr(0, group_bytes - 1);
  return true;
}

}  // namespace

bool IsDroppedAsMtp(std::string_view source_name) {
  return source_name.find("model.layers.61") != std::string_view::npos;
}

Result<MpTensor> MpTensorOf(std::string_view source_name) {
  const auto no_place = [&] {
    return Status::NotSupported(
        fmt::format("{} has no place in DeepSeek's model; of an MTP layer only layer 61 is left out", source_name));
  };
  const std::string_view last = source_name.substr(source_name.rfind('.') + 1);
  if (last != "weight" && last != "weight_scale_inv" && last != "e_score_correction_bias") return no_place();
  constexpr std::string_view kPrefix = "model.";
  MpTensor tensor;
  tensor.name = source_name.substr(source_name.starts_with(kPrefix) ? kPrefix.size() : 0);
  for (const auto& [from, to] : kReplacements) ReplaceAll(tensor.name, from, to);
  const std::vector<std::string_view> parts = PartsOf(tensor.name);
  if (parts.size() < 2) return no_place();
  const std::string key(parts[parts.size() - 2]);
  const auto row = std::find_if(kTable.begin(), kTable.end(), [&](const Row& one) { return one.key == key; });
  if (row == kTable.end()) return no_place();
  ReplaceAll(tensor.name, key, row->renamed);
  const bool routed =
      tensor.name.find("experts") != std::string::npos && tensor.name.find("shared_experts") == std::string::npos;
  if (routed && !FindExpert(tensor)) return no_place();
  if (!routed) tensor.axis = row->axis;
  return tensor;
}

}  // namespace shardfs
