// Walks the linears of each group once, counts what the description says of them, and compares the one kind that is
// left with the group's effective key. Time and lookups are those of one pass over the model's linears.
#include "layout/mindie/config/described_kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "layout/mindie/linear_kind.h"

namespace shardfs {
namespace {

// The linears that one key of config.json decides the kind of.
struct Group {
  std::string_view what;         // "linears of the attention"
  std::string_view key;          // of config.json
  std::string_view default_key;  // what counts where `key` is absent; empty for `quantize` itself
  std::string effective;         // the kind that MindIE takes
  bool key_is_given = false;

  std::uint64_t described = 0;  // as a kind other than FLOAT
  std::string kind = {};        // the first of these
  std::string first = {};       // its linear, without ".weight"
  bool is_uniform = true;

  void Add(const QuantDescription& description, const std::string& linear) {
    const auto said = description.KindOf(linear + ".weight");
    if (!said || *said == LinearKindName(LinearKind::kFloat)) return;
    if (described++ == 0) {
      kind = *said;
      first = linear;
    }
    is_uniform = is_uniform && kind == *said;
  }
};

// "w8a8_dynamic" of "W8A8_DYNAMIC"; empty for a kind that the layout does not write.
std::string_view QuantizeOf(std::string_view described) {
  constexpr std::array<std::string_view, 4> kNames = {"w8a8", "w8a8_dynamic", "w8a16", "w4a8_dynamic"};
  for (const std::string_view name : kNames) {
    const auto kind = LinearKindOfQuantize(name);
    if (kind && LinearKindName(*kind) == described) return name;
  }
  return {};
}

bool HasTensorsOf(const Checkpoint& checkpoint, std::string_view kind, const std::string& linear) {
  const TensorSpec* weight = checkpoint.Find(linear + ".weight");
  if (weight == nullptr || weight->dtype != Dtype::kI8) return false;
  const bool is_static = checkpoint.Find(linear + ".deq_scale") != nullptr;
  return is_static == (kind == LinearKindName(LinearKind::kW8A8));
}

class Walker {
 public:
  Walker(const DeepseekConfig& config, const QuantDescription& description)
      : config_(config), description_(description) {}

  std::vector<Group> Run(bool mtp) {
    for (std::uint64_t layer = 0; layer < config_.layers + (mtp ? 1 : 0); ++layer) {
      const bool is_mtp = layer == config_.layers;
      const std::string prefix = fmt::format("model.layers.{}", layer);
      // A model of absurd size is refused for what it lacks, not searched to its end.
      if (description_.Find(prefix + ".self_attn.o_proj.weight") == nullptr) break;
      for (const char* name : {".q_proj", ".q_a_proj", ".q_b_proj", ".kv_a_proj_with_mqa", ".o_proj"}) {
        attention_.Add(description_, prefix + ".self_attn" + name);
      }
      if (!is_mtp && !config_.IsMoe(layer)) {
        AddMlp(rest_, prefix + ".mlp");
        continue;
      }
      AddMlp(rest_, prefix + ".mlp.shared_experts");
      for (std::uint64_t expert = 0; expert < config_.routed_experts; ++expert) {
        const std::string name = fmt::format("{}.mlp.experts.{}", prefix, expert);
        if (description_.Find(name + ".gate_proj.weight") == nullptr) break;
        AddMlp(is_mtp ? mtp_experts_ : experts_, name);
      }
    }
    return {attention_, rest_, experts_, mtp_experts_};
  }

 private:
  void AddMlp(Group& group, const std::string& prefix) {
    for (const char* name : {".gate_proj", ".up_proj", ".down_proj"}) group.Add(description_, prefix + name);
  }

  const DeepseekConfig& config_;
  const QuantDescription& description_;
  Group attention_{.what = "linears of the attention",
                   .key = "mla_quantize",
                   .default_key = "quantize",
                   .effective = config_.AttentionQuantize(),
                   .key_is_given = !config_.mla_quantize.empty()};
  Group rest_{.what = "linears of dense MLPs and shared experts",
              .key = "quantize",
              .default_key = {},
              .effective = config_.quantize,
              .key_is_given = true};
  Group experts_{.what = "linears of routed experts",
                 .key = "moe_quantize",
                 .default_key = "quantize",
                 .effective = config_.ExpertQuantize(false),
                 .key_is_given = !config_.moe_quantize.empty()};
  // With `mtp_quantize`, whatever it says, they are what `quantize` says.
  Group mtp_experts_{.what = "linears of the MTP layer's routed experts",
                     .key = "mtp_quantize",
                     .default_key = config_.moe_quantize.empty() ? "quantize" : "moe_quantize",
                     .effective = config_.ExpertQuantize(true),
                     .key_is_given = config_.has_mtp_quantize};
};

std::string Sentence(const Group& group, std::string_view quantize, const std::string& file) {
  const std::string said = fmt::format("{} says that {} {} are {} (the first: {})", file, group.described, group.what,
                                       group.kind, group.first);
  if (group.key_is_given) {
    return fmt::format("{}, but \"{}\" of config.json makes them \"{}\"; set it to \"{}\"", said, group.key,
                       group.effective, quantize);
  }
  return fmt::format(
      "{}, but config.json has no \"{}\", so MindIE takes them for \"{}\", as \"{}\" says; add \"{}\": \"{}\" to "
      "config.json",
      said, group.key, group.effective, group.default_key, group.key, quantize);
}

}  // namespace

Status CheckDescribedKinds(const Checkpoint& checkpoint, const DeepseekConfig& config,
                           const QuantDescription& description, bool mtp) {
  std::vector<std::string> sentences;
  for (const Group& group : Walker(config, description).Run(mtp)) {
    const std::string_view quantize = QuantizeOf(group.kind);
    if (group.described == 0 || !group.is_uniform || quantize.empty() || quantize == group.effective) continue;
    if (HasTensorsOf(checkpoint, group.kind, group.first)) {
      sentences.push_back(Sentence(group, quantize, description.file_name()));
    }
  }
  if (sentences.empty()) return Status::Ok();
  return Status::Corruption(fmt::format("{}", fmt::join(sentences, ".\n")));
}

}  // namespace shardfs
