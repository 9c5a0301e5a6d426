#include "layout/sharded_state/sharded_state_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "layout/sharded_state/memory_checkpoint.h"
#include "layout/sharded_state/state_dict_parts.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Options = std::vector<std::pair<std::string, std::string>>;
using nlohmann::json;

// A small model with experts: two layers, of which the first is dense.
class ShardedStateTest : public ::testing::Test {
 protected:
  ShardedStateTest() {
    config_ = {{"model_type", "qwen3_moe"}, {"torch_dtype", "bfloat16"},
               {"hidden_size", 4},          {"num_hidden_layers", 2},
               {"vocab_size", 70},          {"num_attention_heads", 4},
               {"num_key_value_heads", 2},  {"head_dim", 2},
               {"intermediate_size", 8},    {"moe_intermediate_size", 4},
               {"num_experts", 3},          {"mlp_only_layers", {0}}};
    for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
      Add(layer + "input_layernorm.weight", {4});
      Add(layer + "post_attention_layernorm.weight", {4});
      Add(layer + "self_attn.q_proj.weight", {8, 4});
      Add(layer + "self_attn.k_proj.weight", {4, 4});
      Add(layer + "self_attn.v_proj.weight", {4, 4});
      Add(layer + "self_attn.o_proj.weight", {4, 8});
      Add(layer + "self_attn.q_norm.weight", {2});
      Add(layer + "self_attn.k_norm.weight", {2});
    }
    AddMlp("model.layers.0.mlp.", 8);
    Add("model.layers.1.mlp.gate.weight", {3, 4});
    for (const char* expert : {"0.", "1.", "2."}) AddMlp("model.layers.1.mlp.experts." + std::string(expert), 4);
    Add("model.embed_tokens.weight", {70, 4});
    Add("model.norm.weight", {4});
    Add("lm_head.weight", {70, 4});
  }

  void Add(const std::string& name, Shape shape, Dtype dtype = Dtype::kBF16) {
    std::uint64_t bytes = DtypeBytes(dtype);
    for (const std::uint64_t size : shape) bytes *= size;
    tensors_[name] = {dtype, std::move(shape), std::string(bytes, '\x3f')};
  }

  void AddMlp(const std::string& prefix, std::uint64_t size) {
    Add(prefix + "gate_proj.weight", {size, 4});
    Add(prefix + "up_proj.weight", {size, 4});
    Add(prefix + "down_proj.weight", {4, size});
  }

  Result<View> Build(const Options& options = {{"tp", "2"}}) const {
    const ShardedStateLayout layout;
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(layout, options));
    return layout.Build(checkpoints_.Make(tensors_, config_.dump()), values,
                        {.place = {.path = "/mnt/tp2"}, .on_notice = {}});
  }

  void ExpectRefused(int exit_code, const std::string& part, const Options& options = {{"tp", "2"}}) const {
    const auto view = Build(options);
    ASSERT_FALSE(view.ok()) << part;
    EXPECT_EQ(ToExitCode(view.status().code()), exit_code) << view.status();
    EXPECT_THAT(std::string(view.status().message()), HasSubstr(part));
  }

  MemoryCheckpoints checkpoints_;
  MemoryTensors tensors_;
  json config_;
};

TEST_F(ShardedStateTest, TheFirstLineNamesEngineReleaseAndWhatToType) {
  const auto view = Build();
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(view->summary,
              AllOf(HasSubstr("qwen3_moe"), HasSubstr("vllm 0.26 (assumed; --engine-version names another)"),
                    HasSubstr("2 ranks"),
                    HasSubstr("vllm serve /mnt/tp2 --load-format sharded_state --tensor-parallel-size 2")));
  EXPECT_THAT(view->warnings, IsEmpty());
  const auto shared_out = Build({{"tp", "2"}, {"engine_version", "0.11"}, {"expert_parallel", "true"}});
  ASSERT_TRUE(shared_out.ok()) << shared_out.status();
  EXPECT_THAT(shared_out->summary,
              AllOf(HasSubstr("vllm 0.11, "), HasSubstr("--enable-expert-parallel"), Not(HasSubstr("assumed"))));
  EXPECT_EQ(shared_out->ranks[0].experts.end, 2u);
  EXPECT_EQ(shared_out->ranks[1].experts.begin, 2u);
  EXPECT_EQ(shared_out->expert_groups, 2u);
}

TEST_F(ShardedStateTest, SglangIsToldItsFlags) {
  config_.erase("mlp_only_layers");
  AddMlp("model.layers.0.mlp.experts.0.", 4);
  for (const char* expert : {"1.", "2."}) AddMlp("model.layers.0.mlp.experts." + std::string(expert), 4);
  Add("model.layers.0.mlp.gate.weight", {3, 4});
  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
    tensors_.erase("model.layers.0.mlp." + std::string(name) + ".weight");
  }
  const auto view = Build({{"tp", "2"}, {"engine", "sglang"}});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(view->summary, AllOf(HasSubstr("sglang 0.5.18"), HasSubstr("sglang.launch_server --model-path /mnt/tp2"),
                                   HasSubstr("--tp-size 2"), HasSubstr("--moe-runner-backend triton")));
  EXPECT_THAT(view->warnings, ElementsAre(HasSubstr("--moe-runner-backend triton")));
  ExpectRefused(2, "3 experts do not divide by tp 2", {{"tp", "2"}, {"engine", "sglang"}, {"expert_parallel", "true"}});
}

TEST_F(ShardedStateTest, OptionsThatDoNotFitAreRefused) {
  ExpectRefused(2, "add --tp N", {});
  ExpectRefused(2, "num_attention_heads 4 does not divide by tp 3", {{"tp", "3"}});
  ExpectRefused(2, "vllm 0.27", {{"tp", "2"}, {"engine_version", "0.27"}});
  ExpectRefused(2, "3 experts for 4 ranks: a rank would hold none", {{"tp", "4"}, {"expert_parallel", "true"}});
  ExpectRefused(2, "shared_experts_fusion is for SGLang", {{"tp", "2"}, {"shared_experts_fusion", "true"}});
  config_["num_key_value_heads"] = 3;
  ExpectRefused(2, "num_key_value_heads 3");
  config_["num_key_value_heads"] = 2;
  config_["intermediate_size"] = 7;
  ExpectRefused(2, "intermediate_size 7 does not divide by tp 2");
}

TEST_F(ShardedStateTest, ConfigsThatAreNotCoveredAreRefused) {
  const json good = config_;
  const auto refused = [&](const char* key, const json& value, const std::string& part) {
    config_ = good;
    config_[key] = value;
    ExpectRefused(3, part);
  };
  refused("model_type", "gpt_neox", "'gpt_neox' is not covered");
  refused("torch_dtype", "float8_e4m3fn", "'float8_e4m3fn'");
  refused("torch_dtype", json(), "neither \"torch_dtype\" nor \"dtype\"");
  refused("dtype", "float16", "\"dtype\" is 'float16'");
  refused("quantization_config", {{"quant_method", "fp8"}}, "--dequantize bf16");
  refused("hidden_size", "4", "\"hidden_size\"");
  refused("num_hidden_layers", -1, "not a whole number");
  refused("vocab_size", 71, "model.embed_tokens.weight has 70 rows, but vocab_size is 71");
  refused("hidden_size", 8, "config.json makes it");
  refused("attention_bias", true, "self_attn.q_proj.bias");
  refused("mlp_only_layers", {0, 1}, "model.layers.1.mlp.gate_proj.weight");
  config_ = good;
  ExpectRefused(3, "SGLang ignores mlp_only_layers", {{"tp", "2"}, {"engine", "sglang"}});
}

TEST_F(ShardedStateTest, EveryTensorIsUsedOrIgnoredWithAReasonOrRefused) {
  Add("model.layers.0.self_attn.rotary_emb.inv_freq", {2}, Dtype::kF32);
  Add("model.layers.2.eh_proj.weight", {4, 8});
  const auto view = Build();
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_EQ(view->ignored.size(), 2u);
  EXPECT_THAT(view->ignored[0].reason, HasSubstr("the engines compute it"));
  EXPECT_THAT(view->ignored[1].reason, HasSubstr("behind num_hidden_layers 2"));
  config_["tie_word_embeddings"] = true;
  const auto tied = Build();
  ASSERT_TRUE(tied.ok()) << tied.status();
  EXPECT_EQ(tied->ignored.size(), 3u);
  const auto& file = *tied->tree->FindChild(kRootNode, "model-rank-0-part-0.safetensors", nullptr)->file;
  EXPECT_TRUE(std::any_of(file.tensors().begin(), file.tensors().end(),
                          [](const auto& t) { return t.name == "lm_head.weight"; }));
  EXPECT_FALSE(std::any_of(file.tensors().begin(), file.tensors().end(),
                           [](const auto& t) { return t.name == "model.embed_tokens.weight"; }));
  Add("model.layers.0.self_attn.k_scale", {1}, Dtype::kF32);
  ExpectRefused(3, "nothing uses 'model.layers.0.self_attn.k_scale'");
  tensors_.erase("model.layers.0.self_attn.k_scale");
  Add("model.norm.weight", {4}, Dtype::kF8E4M3);
  ExpectRefused(3, "model.norm.weight is F8_E4M3: quantised checkpoints are refused");
  tensors_.erase("model.norm.weight");
  ExpectRefused(3, "model.norm.weight");
}

TEST_F(ShardedStateTest, LatentAttentionOnEarlyReleasesIsWarnedOf) {
  config_["model_type"] = "deepseek_v3";
  const std::map<std::string, int> sizes = {{"kv_lora_rank", 2}, {"qk_nope_head_dim", 1}, {"qk_rope_head_dim", 1},
                                            {"v_head_dim", 1},   {"n_routed_experts", 3}, {"first_k_dense_replace", 1}};
  for (const auto& [key, value] : sizes) {
    config_[key] = value;
  }
  ExpectRefused(2, "vllm 0.6.5 has no deepseek_v3; the first release that has is 0.6.6",
                {{"tp", "2"}, {"engine_version", "0.6.5"}});
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    for (const char* name : {"k_proj", "v_proj", "q_norm", "k_norm"}) tensors_.erase(layer + name + ".weight");
    Add(layer + "q_proj.weight", {8, 4});
    Add(layer + "kv_a_proj_with_mqa.weight", {3, 4});
    Add(layer + "kv_a_layernorm.weight", {2});
    Add(layer + "kv_b_proj.weight", {8, 2});
    Add(layer + "o_proj.weight", {4, 4});
  }
  Add("model.layers.1.mlp.gate.e_score_correction_bias", {3}, Dtype::kF32);
  const auto early = Build({{"tp", "2"}, {"engine_version", "0.8.5.post1"}});
  ASSERT_TRUE(early.ok()) << early.status();
  EXPECT_THAT(early->warnings, ElementsAre(HasSubstr("VLLM_MLA_DISABLE=1")));
  EXPECT_THAT(early->summary, HasSubstr("VLLM_MLA_DISABLE=1 vllm serve"));
  EXPECT_THAT(Build({{"tp", "2"}, {"engine_version", "0.9.1"}})->warnings, IsEmpty());
  EXPECT_THAT(Build({{"tp", "1"}, {"expert_parallel", "true"}})->warnings,
              ElementsAre(HasSubstr("leave --expert-parallel out")));
}

TEST(StateDictPartsTest, ATensorAboveTheLimitLeavesAnEmptyFirstPart) {
  const auto pack = [](std::vector<std::uint64_t> sizes, std::uint64_t limit) { return PackParts(sizes, limit); };
  using Parts = std::vector<std::vector<std::size_t>>;
  EXPECT_EQ(pack({3, 3, 4}, 10), (Parts{{0, 1, 2}}));
  EXPECT_EQ(pack({3, 3, 5}, 10), (Parts{{0, 1}, {2}}));
  EXPECT_EQ(pack({11, 1}, 10), (Parts{{}, {0}, {1}}));
  EXPECT_EQ(pack({1, 11, 12}, 10), (Parts{{0}, {1}, {2}}));
  EXPECT_EQ(PartFileName(3, 10), "model-rank-3-part-10.safetensors");
}

}  // namespace
}  // namespace shardfs::testing
