// What config.json and the quantisation description come to together, and what the view's own say.
#include "layout/mindie/mindie_files.h"

namespace shardfs::testing {
namespace {

constexpr const char* kDescription = "quant_model_description.json";
constexpr const char* kNamedDescription = "quant_model_description_w8a8_dynamic.json";

class MindieEffectiveConfig : public MindieFilesFixture {
 protected:
  MindieEffectiveConfig() {
    quantisation_.kind = tools::CheckpointKind::kW8A8Mix;
    options_.layout_options = {{"fidelity", "sharder"}};
  }

  // A good W8A8 mix whose description has this version ("" for none) and stands under the general name.
  void WriteMix(const std::string& version) {
    const auto good = Build();
    ASSERT_TRUE(good.ok()) << good.status();
    const std::string written = tools::DescriptionFileName(quantisation_);
    if (written != kDescription) std::filesystem::rename(At(written), At(kDescription));
    EditJson(kDescription, [&](auto* members) {
      std::erase_if(*members, [](const JsonMember& member) { return member.first == "version"; });
      if (!version.empty()) members->emplace_back("version", JsonValue::String(version));
    });
  }

  View BuildGood() {
    auto result = BuildWritten();
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? std::move(result).value() : View{};
  }
};

TEST_F(MindieEffectiveConfig, AKindThatOnlyTheDescriptionNamesIsShownAsIfConfigJsonNamedIt) {
  WriteMix("1.0.0");
  const View configured = BuildGood();
  RemoveMember("config.json", "quantize");
  const View described = BuildGood();
  EXPECT_EQ(BytesWithout(*described.tree, {"config.json"}), BytesWithout(*configured.tree, {"config.json"}));
  EXPECT_EQ(ShownJson(*described.tree, "config.json").Find("quantize"), nullptr);
  EXPECT_FALSE(Shown(*described.tree, kDescription).empty());
  EXPECT_EQ(described.warnings, configured.warnings) << "the loader finds the description";
  EXPECT_NE(described.summary.find("w8a8_dynamic"), std::string::npos) << described.summary;

  SetMember("config.json", "quantize", "null");
  EXPECT_EQ(BytesWithout(*BuildGood().tree, {"config.json"}), BytesWithout(*configured.tree, {"config.json"}));
}

TEST_F(MindieEffectiveConfig, TheLoadersVariantAddsQuantize) {
  WriteMix("1.0.0");
  options_.layout_options = {{"fidelity", "loader"}};
  const View configured = BuildGood();
  RemoveMember("config.json", "quantize");
  const View described = BuildGood();
  const JsonValue config = ShownJson(*described.tree, "config.json");
  ASSERT_NE(config.Find("quantize"), nullptr);
  EXPECT_EQ(config.Find("quantize")->text(), "w8a8_dynamic");
  EXPECT_EQ(BytesWithout(*described.tree, {"config.json"}), BytesWithout(*configured.tree, {"config.json"}));
}

TEST_F(MindieEffectiveConfig, ADescriptionThatTheLoaderWouldNotFindNeedsAChoice) {
  for (const char* version : {"", "0.0.0"}) {
    WriteMix(version);
    RemoveMember("config.json", "quantize");
    options_.layout_options = {{"fidelity", "sharder"}};
    const View sharder = BuildGood();
    EXPECT_FALSE(Shown(*sharder.tree, kNamedDescription).empty());
    EXPECT_TRUE(Shown(*sharder.tree, kDescription).empty());
    EXPECT_EQ(ShownJson(*sharder.tree, "config.json").Find("quantize"), nullptr);
    EXPECT_EQ(WarningsWith(sharder, "fidelity=loader"), 1);

    options_.layout_options = {{"fidelity", "loader"}};
    const View loader = BuildGood();
    EXPECT_FALSE(Shown(*loader.tree, kNamedDescription).empty());
    EXPECT_EQ(ShownJson(*loader.tree, "config.json").Find("quantize")->text(), "w8a8_dynamic");
    EXPECT_EQ(WarningsWith(loader, "fidelity=loader"), 0);

    options_.layout_options.clear();
    ExpectRefused(BuildWritten(), 2, "config.json has no \"quantize\"", "-O fidelity=loader");
    options_.layout_options = {{"fidelity", "sharder"}};
  }
}

TEST_F(MindieEffectiveConfig, TheDescriptionOfAKindThatItAloneNamesHasTheGeneralName) {
  WriteMix("1.0.0");
  RemoveMember("config.json", "quantize");
  std::filesystem::rename(At(kDescription), At(kNamedDescription));
  ExpectRefused(BuildWritten(), 3, "is I8", "config.json has no \"quantize\"");
  SetMember("config.json", "quantize", "\"w8a8_dynamic\"");
  EXPECT_TRUE(BuildWritten().ok());
}

TEST_F(MindieEffectiveConfig, KindsThatMindieRenamesOrDoesNotWriteAreNamedWithTheirOrigin) {
  WriteMix("1.0.0");
  RemoveMember("config.json", "quantize");
  SetMember(kDescription, "model_quant_type", "\"W8A8_MIX\"");
  ExpectRefused(BuildWritten(), 3, "\"model_quant_type\" of quant_model_description.json ('W8A8_MIX', an older name) is 'w8a8_pdmix'", "covers");
  SetMember(kDescription, "model_quant_type", "\"FLOAT\"");
  ExpectRefused(BuildWritten(), 3, "\"model_quant_type\" of quant_model_description.json is 'float'", "covers");
  SetMember(kDescription, "model_quant_type", "8");
  ExpectRefused(BuildWritten(), 3, "\"model_quant_type\" of quant_model_description.json", "no string");
  SetMember("config.json", "quantize", "\"w8a8_mix\"");
  ExpectRefused(BuildWritten(), 3, "\"quantize\" of config.json ('w8a8_mix', an older name) is 'w8a8_pdmix'", "covers");
}

TEST_F(MindieEffectiveConfig, TheDescriptionsSettingsWinButForFaQuantType) {
  WriteMix("1.0.0");
  SetMember("config.json", "quantization_config",
            R"({"group_size": 64, "kv_quant_type": null, "fa_quant_type": null, "reduce_quant_type": "per_channel"})");
  SetMember(kDescription, "group_size", "128");
  SetMember(kDescription, "kv_quant_type", "\"C8\"");
  SetMember(kDescription, "fa_quant_type", "\"FAKQuant\"");
  const JsonValue shown = ShownJson(*BuildGood().tree, kDescription);
  EXPECT_EQ(shown.Find("group_size")->text(), "128");
  EXPECT_EQ(shown.Find("kv_quant_type")->text(), "C8");
  EXPECT_TRUE(shown.Find("fa_quant_type")->is_null());
  EXPECT_EQ(shown.Find("reduce_quant_type")->text(), "per_channel");
}

TEST_F(MindieEffectiveConfig, AVersionKeepsItsType) {
  WriteMix("1.0.0");
  for (const char* version : {"256", "1.5", "null", "true", "\"256\"", "[1, 0]"}) {
    SetMember(kDescription, "version", version);
    const std::string shown = Shown(*BuildGood().tree, kDescription);
    const auto again = ParseJson(shown, "shown");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(DumpPythonJson(*again->Find("version")), DumpPythonJson(*ParseJson(version, "version"))) << shown;
  }
}

TEST_F(MindieEffectiveConfig, ADescriptionThatSaysNothingOfTheWeights) {
  for (const auto kind : {tools::CheckpointKind::kW8A8Mix, tools::CheckpointKind::kW8A16,
                          tools::CheckpointKind::kW8A8Dynamic, tools::CheckpointKind::kW8A8}) {
    quantisation_.kind = kind;
    const auto good = Build();
    ASSERT_TRUE(good.ok()) << good.status();
    const std::string name = tools::DescriptionFileName(quantisation_);
    std::ofstream(At(name)) << "{}";
    ExpectRefused(BuildWritten(), 3, name + " says of no weight what it is", "\"quantize\" of config.json is");
  }
}

TEST_F(MindieEffectiveConfig, ADescriptionThatLeavesOutOneQuantisedWeight) {
  quantisation_.kind = tools::CheckpointKind::kW8A16;
  ASSERT_TRUE(Build().ok());
  const std::string name = tools::DescriptionFileName(quantisation_);
  RemoveMember(name, "model.layers.0.mlp.up_proj.weight");
  ExpectRefused(BuildWritten(), 3, name + " does not say what model.layers.0.mlp.up_proj.weight is", "");
}

// One cause, one sentence.
TEST_F(MindieEffectiveConfig, AMixWithoutMlaQuantizeIsNamedOnce) {
  WriteMix("1.0.0");
  RemoveMember("config.json", "mla_quantize");
  const auto result = BuildWritten();
  ExpectRefused(result, 3, "linears of the attention are W8A8", "add \"mla_quantize\": \"w8a8\" to config.json");
  const std::string message(result.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_EQ(message.find("missing"), std::string::npos) << message;
  SetMember("config.json", "mla_quantize", "\"w8a16\"");
  ExpectRefused(BuildWritten(), 3, "\"mla_quantize\" of config.json makes them \"w8a16\"", "set it to \"w8a8\"");
}

TEST_F(MindieEffectiveConfig, FourBitExpertsWithoutMoeQuantizeAreNamedOnce) {
  quantisation_.kind = tools::CheckpointKind::kW4A8;
  ASSERT_TRUE(Build().ok());
  RemoveMember("config.json", "moe_quantize");
  ExpectRefused(BuildWritten(), 3, "linears of routed experts are W4A8_DYNAMIC",
                "add \"moe_quantize\": \"w4a8_dynamic\"");
}

TEST_F(MindieEffectiveConfig, WeightsThatOnlyAnNpuCanRead) {
  WriteMix("1.0.0");
  SetMember(kDescription, "is_nzcasted", "true");
  ExpectRefused(BuildWritten(), 3, "is_nzcasted", "NPU");
  SetMember(kDescription, "is_nzcasted", "false");
  EXPECT_TRUE(BuildWritten().ok());
}

TEST_F(MindieEffectiveConfig, AForeignQuantMethodIsIgnored) {
  quantisation_.kind = tools::CheckpointKind::kFloat;
  ASSERT_TRUE(Build().ok());
  const View plain = BuildGood();
  SetMember(
      "config.json", "quantization_config",
      R"({"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]})");
  const View left_over = BuildGood();
  EXPECT_EQ(BytesWithout(*left_over.tree, {"config.json"}), BytesWithout(*plain.tree, {"config.json"}));
  EXPECT_NE(Shown(*left_over.tree, "config.json").find("\"quant_method\": \"fp8\""), std::string::npos);

  quantisation_.kind = tools::CheckpointKind::kW8A8Mix;
  WriteMix("1.0.0");
  SetMember("config.json", "quantization_config", R"({"quant_method": "ascend"})");
  EXPECT_TRUE(BuildWritten().ok());
}

TEST_F(MindieEffectiveConfig, Fp8TensorsAreRefusedWhateverConfigJsonSays) {
  quantisation_.kind = tools::CheckpointKind::kFloat;
  ExpectRefused(
      Build([](auto* tensors) { Named(tensors, "model.layers.0.mlp.up_proj.weight").dtype = Dtype::kF8E4M3; }), 3,
      "model.layers.0.mlp.up_proj.weight", "is F8_E4M3");
}

TEST_F(MindieEffectiveConfig, NewerNamesOfKeysAreTaken) {
  quantisation_.kind = tools::CheckpointKind::kFloat;
  ASSERT_TRUE(Build().ok());
  const View plain = BuildGood();
  EditJson("config.json", [](auto* members) {
    for (auto& [key, value] : *members) {
      if (key == "torch_dtype") key = "dtype";
      if (key == "n_routed_experts") key = "num_local_experts";
    }
  });
  const View renamed = BuildGood();
  EXPECT_EQ(BytesWithout(*renamed.tree, {"config.json"}), BytesWithout(*plain.tree, {"config.json"}));
  EXPECT_EQ(renamed.warnings, plain.warnings);
  const JsonValue config = ShownJson(*renamed.tree, "config.json");
  EXPECT_EQ(config.Find("torch_dtype")->text(), "bfloat16");
  EXPECT_EQ(config.Find("dtype")->text(), "bfloat16");
  EXPECT_EQ(config.Find("n_routed_experts")->text(), std::to_string(shape_.experts));

  SetMember("config.json", "torch_dtype", "\"float16\"");
  ExpectRefused(BuildWritten(), 3, "\"torch_dtype\" the string 'float16'", "\"dtype\" the string 'bfloat16'");
  SetMember("config.json", "torch_dtype", "\"bfloat16\"");
  EXPECT_TRUE(BuildWritten().ok());
}

TEST_F(MindieEffectiveConfig, RopeParametersBecomeRopeScaling) {
  quantisation_.kind = tools::CheckpointKind::kFloat;
  ASSERT_TRUE(Build().ok());
  RemoveMember("config.json", "rope_scaling");
  RemoveMember("config.json", "rope_theta");
  EXPECT_EQ(WarningsWith(BuildGood(), "\"rope_scaling\" is absent"), 1);
  SetMember("config.json", "rope_parameters",
            R"({"rope_type": "yarn", "factor": 40.0, "beta_fast": 32.0, "beta_slow": 1.0, "rope_theta": 10000.0})");
  const View result = BuildGood();
  EXPECT_EQ(WarningsWith(result, "rope"), 0);
  const JsonValue config = ShownJson(*result.tree, "config.json");
  ASSERT_NE(config.Find("rope_scaling"), nullptr);
  EXPECT_EQ(config.Find("rope_scaling")->Find("type")->text(), "yarn");
  EXPECT_EQ(config.Find("rope_scaling")->Find("factor")->text(), "40.0");
  EXPECT_EQ(config.Find("rope_scaling")->Find("rope_theta"), nullptr);
  EXPECT_EQ(config.Find("rope_theta")->text(), "10000.0");
  SetMember("config.json", "rope_parameters", R"({"rope_type": "default", "rope_theta": 10000.0})");
  EXPECT_EQ(WarningsWith(BuildGood(), "\"rope_scaling\" is absent"), 1) << "positions that are not scaled";
}

TEST_F(MindieEffectiveConfig, WhatMindieWillRefuseIsAWarning) {
  WriteMix("1.0.0");
  EXPECT_EQ(WarningsWith(BuildGood(), "MindIE will refuse"), 0);
  SetMember(kDescription, "group_size", "-1");
  EXPECT_EQ(WarningsWith(BuildGood(), "\"quantization_config.group_size\" is -1 in quant_model_description.json"), 1);
  SetMember("generation_config.json", "top_k", "100000");
  EXPECT_EQ(WarningsWith(BuildGood(), "\"top_k\" is 100000 in generation_config.json"), 1);
  std::ofstream(At("generation_config.json")) << "{";
  EXPECT_EQ(WarningsWith(BuildGood(), "top_k"), 0) << "it may be what cannot be read";
  EXPECT_EQ(WarningsWith(BuildGood(), "MindIE will refuse this model: 'generation_config.json'"), 1);
}

}  // namespace
}  // namespace shardfs::testing
