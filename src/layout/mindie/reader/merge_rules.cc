// The model is walked in the order in which its tensors are shown. Each stored linear is looked up once, and gives the
// rules of the source's linears that were packed into it: gate and up, or those of 256 experts.
#include "layout/mindie/reader/merge_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "layout/mindie/reader/merge_geometry.h"
#include "layout/mindie/reader/stored_linear.h"
#include "layout/mindie/state_dict.h"

namespace shardfs {
namespace {

using Half = MergeRule::Half;
using Step = MergeRule::Step;

constexpr std::string_view kEmbedding = "model.embed_tokens.weight";

std::string MtpPrefix(const DeepseekConfig& config) { return fmt::format("model.layers.{}", config.layers); }

// The stored norm biases that have no bit set: weight_sharder writes them for norms that have none.
Result<std::set<std::uint32_t>> FindZeroBiases(const ShardedDirectory& directory) {
  std::vector<std::uint32_t> biases;
  for (std::uint32_t number = 0; number < directory.name_count(); ++number) {
    if (directory.NameOf(number).ends_with("norm.bias")) biases.push_back(number);
  }
  std::vector<Status> statuses(biases.size());
  std::vector<char> is_zero(biases.size(), 0);
  ParallelFor(biases.size(), [&](std::size_t i) {
    const TensorInfo& stored = directory.At(0, biases[i]);
    std::vector<std::byte> bytes(stored.size);
    statuses[i] = stored.source->ReadAt(stored.offset, bytes);
    is_zero[i] = std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }) ? 1 : 0;
  });
  std::set<std::uint32_t> zero;
  for (std::size_t i = 0; i < biases.size(); ++i) {
    SHARDFS_RETURN_IF_ERROR(statuses[i]);
    if (is_zero[i] != 0) zero.insert(biases[i]);
  }
  return zero;
}

class Merger {
 public:
  Merger(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant, bool copies_shared)
      : directory_(directory),
        sizes_(directory.sizes()),
        config_(config),
        variant_(variant),
        copies_shared_(copies_shared),
        writer_(directory, config, variant) {}

  Result<Merge> Run() {
    SHARDFS_ASSIGN_OR_RETURN(zero_biases_, FindZeroBiases(directory_));
    const bool has_mtp = HasMtp(directory_, config_);
    writer_.findings().has_mtp = has_mtp;
    AddEmbedding();
    for (std::uint64_t layer = 0; layer < config_.layers && writer_.status().ok(); ++layer) {
      AddLayer(fmt::format("model.layers.{}", layer), config_.IsMoe(layer));
    }
    if (has_mtp) AddMtp();
    AddNorm("model.norm", config_.hidden_size);
    AddHead();
    SHARDFS_RETURN_IF_ERROR(writer_.status());
    SHARDFS_RETURN_IF_ERROR(writer_.CheckAllUsed());
    return std::move(writer_).Take();
  }

 private:
  void AddEmbedding() {
    const MergeRule rule{.stored = writer_.Require(std::string(kEmbedding)),
                         .ranks = sizes_.tp,
                         .axis = 1,
                         .cuts_rows = variant_ == MindieFidelity::kSharder};
    writer_.Add(kEmbedding, rule, {config_.vocab_size, config_.hidden_size});
  }

  MergeRule HeadRule() {
    const std::uint32_t stored = writer_.Require("lm_head.weight");
    if (!writer_.status().ok()) return {};
    const Shape& shape = writer_.Stored(stored).shape;
    const bool by_world = !shape.empty() && shape[0] == SliceSize(config_.vocab_size, sizes_.world_size);
    return {.stored = stored, .ranks = by_world ? sizes_.world_size : sizes_.tp};
  }

  void AddHead() { writer_.Add("lm_head.weight", HeadRule(), {config_.vocab_size, config_.hidden_size}); }

  void AddMtp() {
    const std::string prefix = MtpPrefix(config_);
    if (copies_shared_) writer_.AddCopy(prefix + ".embed_tokens.weight", 0);
    AddNorm(prefix + ".enorm", config_.hidden_size);
    AddNorm(prefix + ".hnorm", config_.hidden_size);
    writer_.AddWhole(prefix + ".eh_proj.weight", {config_.hidden_size, 2 * config_.hidden_size});
    AddLayer(prefix, true);
    AddNorm(prefix + ".shared_head.norm", config_.hidden_size);
    if (copies_shared_) {
      writer_.Add(prefix + ".shared_head.head.weight", HeadRule(), {config_.vocab_size, config_.hidden_size});
    }
  }

  void AddLayer(const std::string& prefix, bool is_moe) {
    AddAttention(prefix + ".self_attn.");
    if (is_moe) {
      AddMoe(prefix + ".mlp.");
    } else {
      AddMlp(prefix + ".mlp.", config_.intermediate_size, sizes_.tp);
    }
    AddNorm(prefix + ".input_layernorm", config_.hidden_size);
    AddNorm(prefix + ".post_attention_layernorm", config_.hidden_size);
  }

  void AddAttentionLinear(const std::string& name, MergeRole role, std::uint64_t rows, std::uint64_t columns,
                          std::uint64_t rope_block = 0) {
    writer_.AddLinear(writer_.FindLinear(name), {.name = name,
                                                 .role = role,
                                                 .ranks = role == MergeRole::kReplicated ? 1 : sizes_.tp,
                                                 .rows = rows,
                                                 .columns = columns,
                                                 .rope_block = static_cast<std::uint32_t>(rope_block)});
  }

  void AddAttention(const std::string& prefix) {
    const DeepseekConfig& c = config_;
    const std::uint64_t head = c.nope_head_dim + c.rope_head_dim;
    const std::uint64_t compressed = c.kv_lora_rank + c.rope_head_dim;
    AddAttentionLinear(prefix + "q_a_proj", MergeRole::kReplicated, *c.q_lora_rank, c.hidden_size);
    AddNorm(prefix + "q_a_layernorm", *c.q_lora_rank);
    AddAttentionLinear(prefix + "q_b_proj", MergeRole::kColumn, c.heads * head, *c.q_lora_rank, head);
    AddAttentionLinear(prefix + "kv_a_proj_with_mqa", MergeRole::kReplicated, compressed, c.hidden_size, compressed);
    AddNorm(prefix + "kv_a_layernorm", c.kv_lora_rank);
    AddKeyAndValue(prefix);
    AddAttentionLinear(prefix + "o_proj", MergeRole::kRow, c.hidden_size, c.heads * c.v_head_dim);
  }

  void AddKeyAndValue(const std::string& prefix) {
    const DeepseekConfig& c = config_;
    const std::uint32_t key = writer_.Require(prefix + "k_b_proj.weight");
    const std::uint32_t value = writer_.Require(prefix + "v_b_proj.weight");
    if (!writer_.status().ok()) return;
    const std::uint64_t heads = c.heads / sizes_.tp;
    CheckShape(key, {heads, c.nope_head_dim, c.kv_lora_rank});
    CheckShape(value, {heads, c.kv_lora_rank, c.v_head_dim});
    if (writer_.Stored(key).dtype != writer_.Stored(value).dtype) {
      writer_.Fail(Status::Corruption(fmt::format("{}k_b_proj.weight and v_b_proj.weight are of two dtypes", prefix)));
    }
    writer_.Add(prefix + "kv_b_proj.weight", {.stored = key, .values = value, .ranks = sizes_.tp},
                {c.heads * (c.nope_head_dim + c.v_head_dim), c.kv_lora_rank});
  }

  void CheckShape(std::uint32_t number, const Shape& shape) {
    const TensorInfo& stored = writer_.Stored(number);
    if (stored.shape == shape) return;
    writer_.Fail(Status::Corruption(fmt::format("{} is {} in {}, but config.json and tp {} make it {}", stored.name,
                                                ShapeToString(stored.shape), QuoteName(stored.source->name()),
                                                sizes_.tp, ShapeToString(shape))));
  }

  // A dense MLP or shared experts, split by the ranks 0 to ranks - 1.
  void AddMlp(const std::string& prefix, std::uint64_t width, std::uint32_t ranks) {
    const StoredLinear gate_up = writer_.FindLinear(prefix + "gate_up_proj");
    const StoredLinear down = writer_.FindLinear(prefix + "down_proj");
    AddPacked(
        gate_up,
        {.name = prefix, .role = MergeRole::kColumn, .ranks = ranks, .rows = width, .columns = config_.hidden_size});
    writer_.AddLinear(down, {.name = prefix + "down_proj",
                             .role = MergeRole::kRow,
                             .ranks = ranks,
                             .rows = config_.hidden_size,
                             .columns = width});
  }

  // gate_proj and up_proj; the place's name is what stands before them.
  void AddPacked(const StoredLinear& gate_up, LinearPlace place) {
    const std::string prefix = place.name;
    place.name = prefix + "gate_proj";
    place.half = Half::kFirst;
    writer_.AddLinear(gate_up, place);
    place.name = prefix + "up_proj";
    place.half = Half::kSecond;
    writer_.AddLinear(gate_up, place);
  }

  void AddMoe(const std::string& prefix) {
    AddExperts(prefix);
    AddRouter(prefix);
    if (config_.shared_experts == 0 || !writer_.status().ok()) return;
    const std::uint64_t width = config_.moe_intermediate_size * config_.shared_experts;
    AddMlp(prefix + "shared_experts.", width, SharedExpertRanks(prefix + "shared_experts.gate_up_proj.weight", width));
  }

  // The first group whose parts have the rows that are there. Of fewer rows than ranks, more than one group may fit:
  // neighbours then hold the same part where the whole world has split them.
  std::uint32_t SharedExpertRanks(const std::string& name, std::uint64_t width) {
    const std::uint32_t number = writer_.Require(name);
    if (!writer_.status().ok() || writer_.Stored(number).shape.empty()) return 1;
    const std::uint64_t rows = writer_.Stored(number).shape[0];
    const bool fits_world = rows == 2 * SliceSize(width, sizes_.world_size);
    if (rows != 2 * SliceSize(width, sizes_.moe_tp)) return fits_world ? sizes_.world_size : 1;
    if (!fits_world) return sizes_.moe_tp;
    const bool is_shared_by_world = RanksPerPart(width, sizes_.world_size) > 1;
    if (!is_shared_by_world || sizes_.moe_tp == sizes_.world_size) return sizes_.world_size;
    const Result<bool> same = writer_.IsSameOnRanks(number, 0, 1);
    if (!same.ok()) writer_.Fail(same.status());
    return same.ok() && *same ? sizes_.world_size : sizes_.moe_tp;
  }

  void AddExperts(const std::string& prefix) {
    const StoredLinear gate_up = writer_.FindLinear(prefix + "gate_up_proj");
    const StoredLinear down = writer_.FindLinear(prefix + "down_proj");
    const auto groups = GroupsOf(gate_up, down);
    if (!groups.ok()) return writer_.Fail(groups.status());
    const auto local = static_cast<std::uint32_t>(config_.routed_experts / sizes_.moe_ep);
    LinearPlace packed{.name = {},
                       .role = MergeRole::kColumn,
                       .ranks = sizes_.moe_tp,
                       .rows = config_.moe_intermediate_size,
                       .columns = config_.hidden_size,
                       .groups = groups->first};
    LinearPlace place{.name = {},
                      .role = MergeRole::kRow,
                      .ranks = sizes_.moe_tp,
                      .rows = config_.hidden_size,
                      .columns = config_.moe_intermediate_size,
                      .groups = groups->second};
    for (std::uint32_t expert = 0; expert < config_.routed_experts && writer_.status().ok(); ++expert) {
      packed.name = fmt::format("{}experts.{}.", prefix, expert);
      place.name = packed.name + "down_proj";
      packed.first_rank = place.first_rank = expert / local * sizes_.moe_tp;
      packed.expert = place.expert = expert % local;
      AddPacked(gate_up, packed);
      writer_.AddLinear(down, place);
    }
  }

  // Columns of the scales of gate_up_proj and of down_proj, of W4A8; 1 of other kinds.
  Result<std::pair<std::uint64_t, std::uint64_t>> GroupsOf(const StoredLinear& gate_up,
                                                           const StoredLinear& down) const {
    std::pair<std::uint64_t, std::uint64_t> groups{1, 1};
    SHARDFS_RETURN_IF_ERROR(writer_.status());
    const bool is_packed = gate_up.kind == MergedKind::kW4A8;
    if (is_packed) {
      const Shape& shape = writer_.Stored(gate_up.weight_scale).shape;
      if (shape.size() == 3) groups.first = shape[1];
    }
    if (down.kind == MergedKind::kW4A8) {
      SHARDFS_ASSIGN_OR_RETURN(groups.second,
                               writer_.RowGroups(down.weight_scale, is_packed ? groups.first : 0, sizes_.moe_tp));
    }
    return groups;
  }

  // The experts of rank 0 come first in any case, so its router is not rotated.
  void AddRouter(const std::string& prefix) {
    const std::uint32_t weight = writer_.Require(prefix + "gate.weight");
    const std::uint32_t bias = writer_.Require(prefix + "gate.bias");
    writer_.findings().has_router_bias = true;
    writer_.Add(prefix + "gate.weight", {.stored = weight, .is_replicated = true, .step = Step::kCast},
                {config_.routed_experts, config_.hidden_size}, MergedKind::kFloat, config_.dtype);
    writer_.Add(prefix + "gate.e_score_correction_bias", {.stored = bias, .is_replicated = true, .step = Step::kCast},
                {config_.routed_experts}, MergedKind::kFloat, Dtype::kF32);
  }

  // A norm with what may stand beside it: an anti-outlier pair, under the names of either variant, and a bias.
  void AddNorm(const std::string& name, std::uint64_t size) {
    const auto add = [&](const char* suffix, std::uint32_t stored) {
      if (stored == MergeRule::kNone) return false;
      writer_.Add(name + suffix, {.stored = stored, .is_replicated = true}, {size});
      return true;
    };
    const std::uint32_t original = writer_.FindIfPresent(name + ".ori.weight");
    add(".weight", original != MergeRule::kNone ? original : writer_.Require(name + ".weight"));
    const bool is_sharders = original != MergeRule::kNone;
    const bool has_pair =
        add(".module.weight", writer_.FindIfPresent(name + (is_sharders ? ".anti.weight" : ".module.weight")));
    add(".module.bias", writer_.FindIfPresent(name + (is_sharders ? ".anti.bias" : ".module.bias")));
    writer_.findings().has_anti_norms |= has_pair;
    const std::uint32_t bias = writer_.FindIfPresent(name + ".bias");
    if (bias != MergeRule::kNone && !zero_biases_.contains(bias)) add(".bias", bias);
  }

  const ShardedDirectory& directory_;
  const ShardedSizes& sizes_;
  const DeepseekConfig& config_;
  const MindieFidelity variant_;
  const bool copies_shared_;
  std::set<std::uint32_t> zero_biases_;
  MergeWriter writer_;
};

}  // namespace

Result<Merge> MergeTensorsOf(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant,
                             bool copies_shared) {
  SHARDFS_RETURN_IF_ERROR(directory.CheckRanksAgree());
  return Merger(directory, config, variant, copies_shared).Run();
}

}  // namespace shardfs
