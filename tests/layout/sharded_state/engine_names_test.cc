#include "layout/sharded_state/engine_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fuse/temporary_mount.h"
#include "layout/sharded_state/engine_names_data.h"
#include "layout/sharded_state/roles.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string NameOf(const std::string& engine, const std::string& release, std::string_view block,
                   std::string_view role) {
  const auto names = EngineNameTable::BuiltIn().Find(engine, release);
  EXPECT_TRUE(names.ok()) << names.status();
  if (!names.ok()) return "";
  for (const auto& [known, name] : names->Block(block)) {
    if (known == role) return name;
  }
  return "none";
}

TEST(ReleaseNumberTest, ReadsWhatReleasesAreCalled) {
  EXPECT_EQ(*ReleaseNumber::Parse("0.10"), *ReleaseNumber::Parse("0.10.0"));
  EXPECT_EQ(*ReleaseNumber::Parse("0.5.10.post1"), *ReleaseNumber::Parse("0.5.10"));
  EXPECT_LT(*ReleaseNumber::Parse("0.9.2"), *ReleaseNumber::Parse("0.10"));
  EXPECT_LT(*ReleaseNumber::Parse("0.10.1.1"), *ReleaseNumber::Parse("0.10.2"));
  EXPECT_TRUE(ReleaseNumber::Parse("0.26.3")->ComparedWithSeries(*ReleaseNumber::Parse("0.26")) == 0);
  for (const char* text : {"", "1", "v0.26", "0.26rc1", "0.26.", ".26", "0.26.0.dev1", "0..1", "0.1.2.3.4", "0.-1",
                           "0.1.post", "latest"}) {
    EXPECT_FALSE(ReleaseNumber::Parse(text).ok()) << text;
  }
}

// One name of each change that the spec's table has.
TEST(EngineNamesTest, NamesChangeWithTheRelease) {
  EXPECT_EQ(NameOf("vllm", "0.9.2", "mla", "q_a_proj"), "self_attn.q_a_proj.weight");
  EXPECT_EQ(NameOf("vllm", "0.10.1", "mla", "q_a_proj"), "none");
  EXPECT_EQ(NameOf("vllm", "0.10.1", "mla", "o_proj"), "self_attn.o_proj.weight");
  EXPECT_EQ(NameOf("vllm", "0.10.2", "mla", "o_proj"), "self_attn.mla_attn.o_proj.weight");
  EXPECT_EQ(NameOf("vllm", "0.10.2", "deepseek_moe", "shared_down_proj"),
            "mlp.experts._shared_experts.down_proj.weight");
  EXPECT_EQ(NameOf("vllm", "0.10.2", "qwen3_moe", "expert_map"), "none");
  EXPECT_EQ(NameOf("vllm", "0.12.3", "qwen3_moe", "expert_map"), "mlp.experts.expert_map");
  EXPECT_EQ(NameOf("vllm", "0.13", "mixtral_moe", "expert_map"), "block_sparse_moe.experts._expert_map");
  EXPECT_EQ(NameOf("vllm", "0.13", "attention", "k_scale"), "none");
  EXPECT_EQ(NameOf("vllm", "0.14", "attention", "k_scale"), "self_attn.attn._k_scale");
  EXPECT_EQ(NameOf("vllm", "0.14", "qwen3_moe", "gate"), "mlp.gate.weight");
  EXPECT_EQ(NameOf("vllm", "0.19", "qwen3_moe", "gate"), "mlp.experts._gate.weight");
  EXPECT_EQ(NameOf("vllm", "0.20", "qwen2_moe", "shared_expert_gate"), "mlp.shared_expert.expert_gate.weight");
  EXPECT_EQ(NameOf("vllm", "0.23", "deepseek_moe", "gate"), "mlp.experts.runner.gate.weight");
  EXPECT_EQ(NameOf("vllm", "0.26.9", "deepseek_moe", "e_score_correction_bias"),
            "mlp.experts.gate.e_score_correction_bias");
  EXPECT_EQ(NameOf("sglang", "0.5.12", "mla", "fused_qkv_a_proj"), "self_attn.fused_qkv_a_proj_with_mqa.weight");
  EXPECT_FALSE(EngineNameTable::BuiltIn().Find("vllm", "0.10.1")->router_bias_is_f32);
  EXPECT_TRUE(EngineNameTable::BuiltIn().Find("vllm", "0.10.2")->router_bias_is_f32);
}

TEST(EngineNamesTest, AnUnknownReleaseIsRefusedWithTheNearest) {
  const auto refusal = [](const char* engine, const char* release) {
    const auto names = EngineNameTable::BuiltIn().Find(engine, release);
    EXPECT_EQ(names.status().code(), StatusCode::kInvalidArgument);
    return std::string(names.status().message());
  };
  EXPECT_THAT(refusal("vllm", "0.27"), AllOf(HasSubstr("vllm 0.27: the names of its state dict are not known here"),
                                             HasSubstr("nearest that is known is 0.26"), HasSubstr("--names")));
  EXPECT_THAT(refusal("vllm", "0.6.2"), HasSubstr("nearest that is known is 0.6.3"));
  EXPECT_THAT(refusal("sglang", "0.5.19"), HasSubstr("nearest that is known is 0.5.18"));
  EXPECT_THAT(refusal("sglang", "0.4.6.post5"), HasSubstr("nearest that is known is 0.5.9"));
  EXPECT_THAT(refusal("vllm", "main"), HasSubstr("'main' is no number of a release"));
  EXPECT_EQ(EngineNameTable::BuiltIn().Find("vllm", "")->release.ToString(), "0.26");
}

TEST(EngineNamesTest, EveryBlockOfEveryReleaseHasKnownRolesInOneOrder) {
  const EngineNameTable& table = EngineNameTable::BuiltIn();
  for (const std::string& engine : table.Engines()) {
    for (const ReleaseNumber& release : table.Releases(engine)) {
      const auto names = table.Find(engine, release.ToString());
      ASSERT_TRUE(names.ok()) << names.status();
      for (const std::string_view block : BlockNames()) EXPECT_FALSE(names->Block(block).empty()) << block;
    }
  }
}

TEST(EngineNamesTest, AFileTeachesAnotherRelease) {
  const MountableDirectory scratch;
  const std::string path = scratch.path() / "names.json";
  std::string json(kEngineNamesJson);
  const auto at = json.find("\"last\": \"0.26\"");
  ASSERT_NE(at, std::string::npos);
  json.replace(at, 14, "\"last\": \"0.27\"");
  const std::string end = "_expert_map\"}}}]},\n \"sglang\"";
  const auto last = json.find(end);
  ASSERT_NE(last, std::string::npos);
  json.replace(
      last, end.size(),
      "_expert_map\"}}},\n{\"first\": \"0.27\", \"blocks\": {\"layer_norms\": {\"input_layernorm\": \"norm_in\", "
      "\"post_attention_layernorm\": \"norm_out\"}}}]},\n \"sglang\"");
  std::ofstream(path) << json;
  const auto table = EngineNameTable::Read(path);
  ASSERT_TRUE(table.ok()) << table.status();
  const auto names = table->Find("vllm", "0.27.1");
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_EQ(names->Block("layer_norms").front().second, "norm_in");
  EXPECT_EQ(names->Block("qwen3_moe"), table->Find("vllm", "0.26")->Block("qwen3_moe"));
  EXPECT_EQ(table->Find("vllm", "0.26")->Block("layer_norms").front().second, "input_layernorm.weight");
  // One engine alone leaves the other as it is; and the form of `layouts --json` is taken as well.
  std::ofstream(path) << "[{\"name\": \"mindie\"}, {\"name\": \"sharded-state\", \"names\": " + json + "}]";
  EXPECT_TRUE(EngineNameTable::Read(path)->Find("vllm", "0.27").ok());
}

TEST(EngineNamesTest, AFileThatIsNotUnderstoodIsRefused) {
  const MountableDirectory scratch;
  const std::string path = scratch.path() / "names.json";
  const auto refusal = [&](const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
    const auto table = EngineNameTable::Read(path);
    EXPECT_EQ(table.status().code(), StatusCode::kInvalidArgument) << text;
    return std::string(table.status().message());
  };
  EXPECT_THAT(refusal("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no table of names"));
  EXPECT_THAT(refusal("{\"vllm\": {\"releases\": []}}"), HasSubstr("\"last\""));
  EXPECT_THAT(refusal("{\"vllm\": {\"last\": \"0.26\", \"releases\": []}}"), HasSubstr("no list \"releases\""));
  EXPECT_THAT(refusal(R"({"vllm": {"last": "0.26", "since": ["0.6.6"]}})"), HasSubstr("\"since\" is no object"));
  EXPECT_THAT(refusal(R"({"vllm": {"last": "0.26", "releases": [{"first": "0.20", "blocks": {"atention": {}}}]}})"),
              AllOf(HasSubstr("no block 'atention'"), HasSubstr("attention")));
  EXPECT_THAT(
      refusal(R"({"vllm": {"last": "0.26", "releases": [{"first": "0.20", "blocks": {"mlp": {"up_proj": "x"}}}]}})"),
      HasSubstr("no role 'up_proj'"));
  EXPECT_THAT(refusal(R"({"vllm": {"last": "0.26", "releases": [{"first": "0.20", "blocks": {}}]}})"),
              HasSubstr("has the block \"model\""));
  std::string unknown(kEngineNamesJson);
  unknown.replace(unknown.find("\"vllm\""), 6, "\"vlm\"");
  EXPECT_THAT(refusal(unknown), HasSubstr("no engine 'vlm'"));
}

}  // namespace
}  // namespace shardfs::testing
