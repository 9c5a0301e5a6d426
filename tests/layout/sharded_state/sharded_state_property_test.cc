// Random models of each family, cut in random ways for random releases: what the ranks have, put together again by
// definitions that share nothing with the layout, is the source, byte for byte, and every tensor that a rank has is
// needed for it once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/random_model.h"
#include "layout/sharded_state/sharded_state_layout.h"

namespace shardfs::testing {
namespace {

struct Cut {
  std::uint64_t tp = 1;
  bool expert_parallel = false;
  bool fused = false;
};

// Matrices as rows of bytes.
struct Matrix {
  std::uint64_t row_bytes = 0;
  std::string bytes;

  std::uint64_t rows() const { return row_bytes == 0 ? 0 : bytes.size() / row_bytes; }
  Matrix Rows(std::uint64_t begin, std::uint64_t end) const {
    return {row_bytes, bytes.substr(begin * row_bytes, (end - begin) * row_bytes)};
  }
};

Matrix MatrixOf(const MemoryTensor& tensor) {
  const std::uint64_t rows = tensor.shape.front();
  return {rows == 0 ? 0 : tensor.bytes.size() / rows, tensor.bytes};
}

Matrix Below(const std::vector<Matrix>& parts) {
  Matrix joined = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) joined.bytes += parts[i].bytes;
  return joined;
}

Matrix Beside(const std::vector<Matrix>& parts) {
  Matrix joined;
  for (const Matrix& part : parts) joined.row_bytes += part.row_bytes;
  for (std::uint64_t row = 0; row < parts.front().rows(); ++row) {
    for (const Matrix& part : parts) joined.bytes += part.bytes.substr(row * part.row_bytes, part.row_bytes);
  }
  return joined;
}

// The tensors of one rank, each to be taken once.
class Rank {
 public:
  void Add(std::string name, MemoryTensor tensor) { tensors_.emplace(std::move(name), std::move(tensor)); }

  // The tensor whose name begins and ends so; there must be one.
  MemoryTensor Take(const std::string& begin, const std::vector<std::string>& ends) {
    for (auto one = tensors_.begin(); one != tensors_.end(); ++one) {
      if (!one->first.starts_with(begin)) continue;
      for (const std::string& end : ends) {
        if (!one->first.ends_with(end)) continue;
        MemoryTensor tensor = std::move(one->second);
        tensors_.erase(one);
        return tensor;
      }
    }
    ADD_FAILURE() << "a rank has no " << begin << "..." << ends.front();
    return {Dtype::kBF16, {0}, ""};
  }

  bool Has(const std::string& begin, const std::string& end) const {
    return std::any_of(tensors_.begin(), tensors_.end(),
                       [&](const auto& one) { return one.first.starts_with(begin) && one.first.ends_with(end); });
  }

  std::string Left() const {
    std::string names;
    for (const auto& [name, tensor] : tensors_) names += name + " ";
    return names;
  }

 private:
  std::map<std::string, MemoryTensor> tensors_;
};

class Reassembly {
 public:
  Reassembly(const RandomModel& model, const Cut& cut, std::vector<Rank> ranks)
      : model_(model), cut_(cut), ranks_(std::move(ranks)) {}

  void ExpectSource() {
    Vocab(model_.is_tied ? "lm_head.weight" : "model.embed_tokens.weight", "model.embed_tokens.weight");
    if (!model_.is_tied) Vocab("lm_head.weight", "lm_head.weight");
    Whole("model.norm", ".weight", "model.norm.weight");
    for (std::uint64_t layer = 0; layer < model_.layers; ++layer) Layer(layer);
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) EXPECT_EQ(ranks_[rank].Left(), "") << "rank " << rank;
  }

 private:
  void ExpectEqual(const std::string& source, const Matrix& matrix) const {
    const auto found = model_.tensors.find(source);
    ASSERT_NE(found, model_.tensors.end()) << source;
    EXPECT_EQ(matrix.bytes, found->second.bytes) << source;
  }

  std::vector<Matrix> TakeAll(const std::string& begin, const std::vector<std::string>& ends) {
    std::vector<Matrix> all;
    for (Rank& rank : ranks_) all.push_back(MatrixOf(rank.Take(begin, ends)));
    return all;
  }

  void Whole(const std::string& begin, const std::string& end, const std::string& source) {
    for (const Matrix& matrix : TakeAll(begin, {end})) ExpectEqual(source, matrix);
  }

  // Rows of zeros behind those of the vocabulary, to a multiple of 64.
  void Vocab(const std::string& name, const std::string& source) {
    const Matrix all = Below(TakeAll(name, {""}));
    EXPECT_EQ(all.rows() % 64, 0u);
    EXPECT_LT(all.rows(), model_.vocab + 64);
    ExpectEqual(source, all.Rows(0, model_.vocab));
    EXPECT_EQ(all.Rows(model_.vocab, all.rows()).bytes.find_first_not_of('\0'), std::string::npos) << source;
  }

  // Parts of every rank one below the other, each rank's having these numbers of rows.
  void Fused(const std::vector<Matrix>& ranks, const std::vector<std::string>& sources) {
    const std::uint64_t share = ranks.front().rows() / sources.size();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      std::vector<Matrix> parts;
      for (const Matrix& rank : ranks) parts.push_back(rank.Rows(i * share, (i + 1) * share));
      ExpectEqual(sources[i], Below(parts));
    }
  }

  void Qkv(const std::string& prefix, const std::string& suffix) {
    const std::vector<Matrix> ranks = TakeAll(prefix, {"qkv_proj" + suffix});
    const std::uint64_t q = model_.heads / cut_.tp * model_.head_dim;
    const std::uint64_t kv = std::max<std::uint64_t>(model_.kv_heads / cut_.tp, 1) * model_.head_dim;
    const std::uint64_t same = std::max<std::uint64_t>(cut_.tp / model_.kv_heads, 1);  // ranks that share a head
    std::vector<Matrix> parts[3];
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      ASSERT_EQ(ranks[rank].rows(), q + 2 * kv);
      parts[0].push_back(ranks[rank].Rows(0, q));
      for (std::uint64_t i = 0; i < 2; ++i) {
        const Matrix own = ranks[rank].Rows(q + i * kv, q + (i + 1) * kv);
        if (rank % same == 0) {
          parts[1 + i].push_back(own);
        } else {
          EXPECT_EQ(own.bytes, parts[1 + i].back().bytes) << "rank " << rank << " shares a head";
        }
      }
    }
    const char* const names[] = {"q_proj", "k_proj", "v_proj"};
    for (std::size_t i = 0; i < 3; ++i) ExpectEqual(prefix + names[i] + suffix, Below(parts[i]));
  }

  void LatentAttention(const std::string& prefix) {
    const std::string w = ".weight";
    if (model_.has_q_lora && ranks_[0].Has(prefix, "q_a_proj" + w)) {
      Whole(prefix, "q_a_proj" + w, prefix + "q_a_proj" + w);
      Whole(prefix, "kv_a_proj_with_mqa" + w, prefix + "kv_a_proj_with_mqa" + w);
    } else if (model_.has_q_lora) {
      for (const Matrix& fused : TakeAll(prefix + "fused_qkv_a_proj", {w})) {
        const std::uint64_t q = model_.tensors.at(prefix + "q_a_proj" + w).shape[0];
        ExpectEqual(prefix + "q_a_proj" + w, fused.Rows(0, q));
        ExpectEqual(prefix + "kv_a_proj_with_mqa" + w, fused.Rows(q, fused.rows()));
      }
    } else {
      Whole(prefix, "kv_a_proj_with_mqa" + w, prefix + "kv_a_proj_with_mqa" + w);
    }
    if (model_.has_q_lora) Whole(prefix, "q_a_layernorm" + w, prefix + "q_a_layernorm" + w);
    const std::string q = model_.has_q_lora ? "q_b_proj" : "q_proj";
    ExpectEqual(prefix + q + w, Below(TakeAll(prefix, {"." + q + w})));
    Whole(prefix, "kv_a_layernorm" + w, prefix + "kv_a_layernorm" + w);
    ExpectEqual(prefix + "kv_b_proj" + w, Below(TakeAll(prefix, {"kv_b_proj" + w})));
  }

  void Attention(const std::string& prefix) {
    for (const char* scale : {"_k_scale", "_v_scale", "_q_scale", "_prob_scale"}) {
      for (Rank& rank : ranks_) {
        if (!rank.Has(prefix, scale)) continue;
        const MemoryTensor one = rank.Take(prefix, {scale});
        EXPECT_EQ(one.bytes, std::string("\0\0\x80\x3f", 4));
        EXPECT_TRUE(one.shape.empty());
      }
    }
    if (model_.IsDeepseek()) {
      LatentAttention(prefix);
    } else {
      Qkv(prefix, ".weight");
      if (ranks_[0].Has(prefix, "qkv_proj.bias")) Qkv(prefix, ".bias");
    }
    ExpectEqual(prefix + "o_proj.weight", Beside(TakeAll(prefix, {"o_proj.weight"})));
    for (const char* whole : {"o_proj.bias", "q_norm.weight", "k_norm.weight"}) {
      if (model_.tensors.contains(prefix + whole)) Whole(prefix, whole, prefix + whole);
    }
  }

  void Mlp(const std::string& prefix, const std::string& source) {
    Fused(TakeAll(prefix, {"gate_up_proj.weight"}), {source + "gate_proj.weight", source + "up_proj.weight"});
    ExpectEqual(source + "down_proj.weight", Beside(TakeAll(prefix, {"down_proj.weight"})));
    if (!model_.tensors.contains(source + "up_proj.bias")) return;
    Fused(TakeAll(prefix, {"gate_up_proj.bias"}), {source + "gate_proj.bias", source + "up_proj.bias"});
    Whole(prefix, "down_proj.bias", source + "down_proj.bias");
  }

  // One expert of the stacks, from the ranks that have it: its number there, and its sources.
  void Expert(const std::vector<std::pair<const MemoryTensor*, std::uint64_t>>& w13,
              const std::vector<std::pair<const MemoryTensor*, std::uint64_t>>& w2, const std::string& gate,
              const std::string& up, const std::string& down) {
    const auto slice = [](const std::pair<const MemoryTensor*, std::uint64_t>& place) {
      const auto& [stack, number] = place;
      const std::uint64_t bytes = stack->bytes.size() / stack->shape[0];
      return Matrix{bytes / stack->shape[1], stack->bytes.substr(number * bytes, bytes)};
    };
    std::vector<Matrix> tops;
    std::vector<Matrix> bottoms;
    for (const auto& place : w13) tops.push_back(slice(place));
    for (const auto& place : w2) bottoms.push_back(slice(place));
    Fused(tops, {gate, up});
    ExpectEqual(down, Beside(bottoms));
  }

  // The ranks that hold expert `expert`, with its number there; each expert of a map stands in one rank.
  std::vector<std::pair<std::size_t, std::uint64_t>> HoldersOf(std::uint64_t expert,
                                                               const std::vector<std::uint64_t>& begins) const {
    std::vector<std::pair<std::size_t, std::uint64_t>> holders;
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      if (!cut_.expert_parallel)
        holders.emplace_back(rank, expert);
      else if (begins[rank] <= expert && expert < begins[rank + 1])
        holders.emplace_back(rank, expert - begins[rank]);
    }
    return holders;
  }

  void CheckMap(const std::string& prefix, const std::vector<std::uint64_t>& begins) {
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      if (!ranks_[rank].Has(prefix, "expert_map")) continue;
      const MemoryTensor map = ranks_[rank].Take(prefix, {"expert_map"});
      ASSERT_EQ(map.shape, Shape{model_.experts});
      for (std::uint64_t expert = 0; expert < model_.experts; ++expert) {
        std::int32_t place = 0;
        std::memcpy(&place, map.bytes.data() + expert * sizeof place, sizeof place);
        const bool is_own = begins[rank] <= expert && expert < begins[rank + 1];
        EXPECT_EQ(place, is_own ? static_cast<std::int32_t>(expert - begins[rank]) : -1);
      }
    }
  }

  // Where each rank's experts begin, from how many it has.
  std::vector<std::uint64_t> BeginsOf(const std::vector<MemoryTensor>& w13) const {
    std::vector<std::uint64_t> begins = {0};
    for (const MemoryTensor& stack : w13) begins.push_back(begins.back() + stack.shape[0]);
    if (cut_.expert_parallel) {
      EXPECT_EQ(begins.back(), model_.experts);
      for (const MemoryTensor& stack : w13) {
        EXPECT_LE(w13.back().shape[0], stack.shape[0]);
        EXPECT_LE(stack.shape[0], w13.back().shape[0] + 1);
      }
    }
    return begins;
  }

  void RouterBias(const std::string& prefix, const std::string& source) {
    for (Rank& rank : ranks_) {
      const MemoryTensor bias = rank.Take(prefix, {"e_score_correction_bias"});
      if (bias.dtype == Dtype::kF32) ExpectEqual(source, MatrixOf(bias));
      if (bias.dtype != Dtype::kBF16) continue;
      std::string widened;
      for (std::size_t i = 0; i < bias.bytes.size(); i += 2) widened += std::string(2, '\0') + bias.bytes.substr(i, 2);
      ExpectEqual(source, {4, widened});
    }
  }

  void Experts(const std::string& prefix) {
    const bool is_mixtral = model_.type == "mixtral";
    const std::string folder = prefix + (is_mixtral ? "block_sparse_moe." : "mlp.");
    const std::string shared = folder + (model_.type == "qwen2_moe" ? "shared_expert." : "shared_experts.");
    std::vector<MemoryTensor> w13;
    std::vector<MemoryTensor> w2;
    for (Rank& rank : ranks_) w13.push_back(rank.Take(folder, {"w13_weight"}));
    for (Rank& rank : ranks_) w2.push_back(rank.Take(folder, {"w2_weight"}));
    const std::vector<std::uint64_t> begins = BeginsOf(w13);
    if (cut_.expert_parallel) CheckMap(folder, begins);
    for (std::uint64_t expert = 0; expert < model_.experts + (cut_.fused ? 1 : 0); ++expert) {
      std::vector<std::pair<const MemoryTensor*, std::uint64_t>> tops;
      std::vector<std::pair<const MemoryTensor*, std::uint64_t>> bottoms;
      for (const auto& [rank, number] : HoldersOf(expert, begins)) {
        tops.emplace_back(&w13[rank], number);
        bottoms.emplace_back(&w2[rank], number);
      }
      ASSERT_EQ(tops.size(), cut_.expert_parallel ? 1 : cut_.tp);
      const std::string one = expert == model_.experts ? shared : fmt::format("{}experts.{}.", folder, expert);
      const char* const names[] = {is_mixtral ? "w1" : "gate_proj", is_mixtral ? "w3" : "up_proj",
                                   is_mixtral ? "w2" : "down_proj"};
      Expert(tops, bottoms, one + names[0] + ".weight", one + names[1] + ".weight", one + names[2] + ".weight");
    }
    if (model_.type == "deepseek_v3") RouterBias(folder, folder + "gate.e_score_correction_bias");
    if (model_.shared_size > 0 && !cut_.fused) Mlp(folder, shared);
    if (model_.shared_size > 0 && model_.type == "qwen2_moe") {
      Whole(folder, "expert_gate.weight", folder + "shared_expert_gate.weight");
    }
    Whole(folder, "gate.weight", folder + "gate.weight");
  }

  void Layer(std::uint64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    Attention(prefix + "self_attn.");
    if (model_.IsMoe(layer)) {
      Experts(prefix);
    } else {
      Mlp(prefix + "mlp.", prefix + "mlp.");
    }
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"})
      Whole(prefix, norm, prefix + norm);
  }

  const RandomModel& model_;
  const Cut& cut_;
  std::vector<Rank> ranks_;
};

// What the files of the view hold, rank by rank.
std::vector<Rank> RanksOf(const View& view) {
  std::vector<Rank> ranks(view.world_size);
  for (const VirtualNode& node : view.tree->nodes()) {
    if (node.is_directory() || !node.name.starts_with("model-rank-")) continue;
    std::string bytes(node.file->size(), '\0');
    EXPECT_TRUE(node.file->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
    for (const FileTensor& tensor : node.file->tensors()) {
      ranks[node.ranks.ranks().front()].Add(
          tensor.name, {tensor.dtype, tensor.shape, bytes.substr(tensor.begin, tensor.end - tensor.begin)});
    }
  }
  return ranks;
}

TEST(ShardedStateProperty, RanksPutTogetherAreTheSource) {
  constexpr int kCases = 4000;
  const MemoryCheckpoints checkpoints;
  const ShardedStateLayout layout;
  std::map<std::string, int> shown;
  for (int seed = 0; seed < kCases && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    RandomChoices random(static_cast<std::uint64_t>(seed));
    Cut cut{random.OneOf<std::uint64_t>({1, 2, 4, 8})};
    const RandomModel model = MakeRandomModel(random, cut.tp);
    const bool is_sglang = random.Chance(25) && (model.first_moe == 0 || !model.type.starts_with("qwen"));
    const bool has_moe_layers = model.experts > 0 && model.first_moe < model.layers;
    cut.expert_parallel = has_moe_layers && random.Chance(40) && (!is_sglang || model.experts % cut.tp == 0);
    cut.fused = is_sglang && model.IsDeepseek() && has_moe_layers && !cut.expert_parallel &&
                model.shared_size == model.expert_size && random.Chance(60);
    const std::string engine = is_sglang ? "sglang" : "vllm";
    const std::string release = random.OneOf(EngineNameTable::BuiltIn().Releases(engine)).ToString();
    const bool is_too_old = model.type == "deepseek_v3" && release == "0.6.3";
    const auto values = ValuesOf(layout, {{"tp", std::to_string(cut.tp)},
                                          {"engine", engine},
                                          {"engine_version", is_too_old ? "0.6.6" : release},
                                          {"expert_parallel", cut.expert_parallel ? "true" : "false"},
                                          {"shared_experts_fusion", cut.fused ? "true" : "false"},
                                          {"max_shard_size", std::to_string(random.Between(1, 3000))}});
    ASSERT_TRUE(values.ok()) << values.status();
    const auto view = layout.Build(checkpoints.Make(model.tensors, model.config), *values, {});
    ASSERT_TRUE(view.ok()) << view.status() << "\n" << model.config;
    SCOPED_TRACE(view->summary + "\n" + model.config);
    ASSERT_EQ(view->world_size, cut.tp);
    Reassembly(model, cut, RanksOf(*view)).ExpectSource();
    ++shown[model.type];
  }
  EXPECT_EQ(shown.size(), 9u);
}

}  // namespace
}  // namespace shardfs::testing
