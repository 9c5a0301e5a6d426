// What the mindie layout refuses: configurations that do not fit, and checkpoints that are not what their config says.
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "layout/mindie/mindie_fixture.h"
#include "tools/processor_time.h"

namespace shardfs::testing {
namespace {

class MindieRefusal : public MindieFixture {};

TEST_F(MindieRefusal, SizesThatDoNotDivide) {
  ASSERT_TRUE(Build().ok());
  options_.parallel = {.world_size = 3, .tp = 3, .moe_tp = 3};
  ExpectRefused(BuildWritten(), 2, "tp is 3", "num_attention_heads");
  options_.parallel = {.world_size = 3, .dp = 3, .tp = 1, .moe_tp = 1, .moe_ep = 3};
  ExpectRefused(BuildWritten(), 2, "moe_ep is 3", "n_routed_experts");
  options_.parallel = {.world_size = 8, .dp = 2, .tp = 2, .moe_tp = 2, .moe_ep = 2};
  ExpectRefused(BuildWritten(), 2, "tp 2 * dp 2", "world size is 8");
}

TEST_F(MindieRefusal, AHiddenSizeThatTheEmbeddingWouldLoseColumnsOf) {
  shape_.hidden += 1;
  shape_.heads = 2;
  ExpectRefused(Build(), 2, "tp is 2", "hidden_size");
}

TEST_F(MindieRefusal, MoeLayersThatRanksWouldOverwrite) {
  shape_.first_k_dense = 2;
  ExpectRefused(Build(), 3, "layer 2 has experts", "first_k_dense_replace 2");
}

TEST_F(MindieRefusal, AnMtpLayerThatRanksWouldOverwrite) {
  shape_.layers = 2;
  shape_.first_k_dense = 2;
  options_.mtp = true;
  ExpectRefused(Build(), 3, "layer 2 has experts", "num_hidden_layers 2");
  options_.mtp = false;
  EXPECT_TRUE(BuildWritten().ok());
}

TEST_F(MindieRefusal, ConfigsOfOtherModels) {
  ExpectRefused(BuildWithConfig("\"deepseek_v3\"", "\"llama\""), 3, "llama", "deepseek_v3");
  ExpectRefused(BuildWithConfig("\"bfloat16\"", "\"float32\""), 3, "float32", "torch_dtype");
  ExpectRefused(BuildWithConfig("\"moe_layer_freq\": 1", "\"moe_layer_freq\": 2"), 3, "moe_layer_freq", "2");
}

TEST_F(MindieRefusal, ConfigKeysThatAreMissingOrNoNumbers) {
  ExpectRefused(BuildWithConfig("\"kv_lora_rank\"", "\"kv_lora_rank_\""), 3, "config.json", "\"kv_lora_rank\"");
  ExpectRefused(BuildWithConfig("\"model_type\"", "\"model_type_\""), 3, "config.json", "\"model_type\"");
  ExpectRefused(BuildWithConfig("\"num_hidden_layers\": ", "\"num_hidden_layers\": -"), 3, "num_hidden_layers", "-");
  ExpectRefused(BuildWithConfig("\"n_routed_experts\": ", "\"n_routed_experts\": 1.5, \"x\": "), 3, "n_routed_experts",
                "1.5");
  ExpectRefused(BuildWithConfig("\"hidden_size\": ", "\"hidden_size\": 99999999999999, \"x\": "), 3, "hidden_size",
                "99999999999999");
  ExpectRefused(BuildWithConfig("{", "{\"hidden_size\": 1, "), 3, "config.json", "hidden_size");  // a key twice
}

TEST_F(MindieRefusal, ConfigsThatAreNoObjectOrNoFile) {
  ASSERT_TRUE(Build().ok());
  const auto config = std::filesystem::path(directory_) / "config.json";
  std::ofstream(config) << "[1]";
  ExpectRefused(BuildWritten(), 3, "config.json", "not a JSON object");
  std::filesystem::remove(config);
  std::filesystem::create_directory(config);
  ExpectRefused(BuildWritten(), 3, "config.json", "regular file");
}

TEST_F(MindieRefusal, ConfigKeysThatAreNoStrings) {
  ExpectRefused(BuildWithConfig("\"deepseek_v3\"", "3"), 3, "\"model_type\" of config.json is 3,", "not a string");
  ExpectRefused(BuildWithConfig("\"noaux_tc\"", "null"), 3, "\"topk_method\" of config.json is null,", "not a string");
  ExpectRefused(BuildWithConfig("{", "{\"quantize\": 8, "), 3, "\"quantize\" of config.json is 8;", "w8a8_dynamic");
}

TEST_F(MindieRefusal, ConfigSizesOfAnotherType) {
  const std::pair<const char*, const char*> values[] = {{"\"8\"", "the string '8'"},
                                                        {"true", "a boolean"},
                                                        {"[8]", "an array"},
                                                        {"{}", "an object"},
                                                        {"null", "null"},
                                                        {"8.0", "8.0"},
                                                        {"0", "0"}};
  for (const auto& [value, shown] : values) {
    ExpectRefused(BuildWithConfig("\"hidden_size\": ", "\"hidden_size\": " + std::string(value) + ", \"x\": "), 3,
                  "\"hidden_size\" of config.json is " + std::string(shown) + ", not a whole number",
                  "between 1 and 2097152");
  }
}

TEST_F(MindieRefusal, SizesAboveWhatMindieTakes) {
  const auto expect_limit = [&](const std::string& key, std::uint64_t limit) {
    const std::string above = std::to_string(limit + 1);
    ExpectRefused(BuildWithConfig("\"" + key + "\": ", "\"" + key + "\": " + above + ", \"x\": "), 3,
                  "\"" + key + "\" is " + above + " in config.json",
                  "MindIE takes a number from " + std::string(key == "first_k_dense_replace" ? "0" : "1") + " to " +
                      std::to_string(limit));
  };
  expect_limit("q_lora_rank", 1536);
  expect_limit("qk_nope_head_dim", 128);
  expect_limit("qk_rope_head_dim", 64);
  expect_limit("first_k_dense_replace", 61);
}

TEST_F(MindieRefusal, AKvCacheQuantisationOfAnotherKind) {
  const auto with_type = [&](const std::string& type) {
    return BuildWithConfig("{", "{\"quantization_config\": {\"fa_quant_type\": " + type + "}, ");
  };
  ExpectRefused(with_type("\"FAXQuant\""), 3, "\"fa_quant_type\" is 'FAXQuant'", "FAQuant and FAKQuant");
  EXPECT_TRUE(with_type("\"\"").ok()) << "nothing is quantised";
  EXPECT_TRUE(with_type("null").ok());
  EXPECT_TRUE(with_type("false").ok());
  for (const char* type : {"true", "0", "[]", "{}"}) {
    ExpectRefused(with_type(type), 3, "\"fa_quant_type\" is not a string", "FAQuant and FAKQuant");
  }
}

TEST_F(MindieRefusal, AMissingConfig) {
  ASSERT_TRUE(Build().ok());
  std::filesystem::remove(std::filesystem::path(directory_) / "config.json");
  ExpectRefused(BuildWritten(), 3, "has no config.json", directory_);
  std::filesystem::create_symlink("../blobs/0123", std::filesystem::path(directory_) / "config.json");
  ExpectRefused(BuildWritten(), 3, "'config.json' is missing: it is a link to '../blobs/0123'", "does not exist");
}

TEST_F(MindieRefusal, Fp8TensorsAndKindsThatTheReferenceDoesNotWrite) {
  ExpectRefused(BuildWithConfig("{", "{\"quantize\": \"w4a16\", "), 3, "w4a16", "w8a8_dynamic");
  ExpectRefused(Build([](auto* tensors) { Named(tensors, "lm_head.weight").dtype = Dtype::kF8E4M3; }), 3,
                "lm_head.weight", "F8_E4M3");
}

TEST_F(MindieRefusal, IntegerWeightsThatTheConfigDoesNotExplain) {
  ExpectRefused(Build([](auto* tensors) { Named(tensors, "model.layers.0.mlp.up_proj.weight").dtype = Dtype::kI8; }), 3,
                "model.layers.0.mlp.up_proj.weight", "\"quantize\"");
}

TEST_F(MindieRefusal, ALinearOfADtypeThatIsNotShown) {
  ExpectRefused(
      Build([](auto* tensors) { Named(tensors, "model.layers.0.mlp.up_proj.weight").dtype = Dtype::kF8E4M3; }), 3,
      "model.layers.0.mlp.up_proj.weight", "is F8_E4M3, which the mindie layout does not show; show it as BF16 with --dequantize bf16");
}

TEST_F(MindieRefusal, AQuantisedConfigWithoutItsDescription) {
  ExpectRefused(BuildWithConfig("{", "{\"quantize\": \"w8a8_dynamic\", "), 3, "quant_model_description.json",
                "w8a8_dynamic");
}

// Where the reference's save and load are not each other's inverse, the user has to choose.
TEST_F(MindieRefusal, AVariantThatMustBeChosenInTwoLines) {
  ASSERT_TRUE(Build().ok());
  options_.parallel = {.world_size = 4, .dp = 1, .tp = 4, .moe_tp = 2, .moe_ep = 2};
  const auto result = BuildWritten();
  ExpectRefused(result, 2, "rotates router rows", "-O fidelity=loader");
  const std::string message(result.status().message());
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 1);
  for (const char* fidelity : {"sharder", "loader"}) {
    options_.layout_options = {{"fidelity", fidelity}};
    EXPECT_TRUE(BuildWritten().ok()) << fidelity;
  }
}

TEST_F(MindieRefusal, AnExpertWithoutItsUpProj) {
  ExpectRefused(Build([](auto* tensors) { Remove(tensors, "model.layers.3.mlp.experts.1.up_proj.weight"); }), 3,
                "model.layers.3.mlp.experts.1.up_proj.weight", "missing");
}

TEST_F(MindieRefusal, AShapeThatDisagreesWithTheConfig) {
  ExpectRefused(Build([](auto* tensors) { Named(tensors, "model.norm.weight").shape = {7}; }), 3,
                "model.norm.weight is [7]", "config.json makes it [" + std::to_string(shape_.hidden) + "]");
}

TEST_F(MindieRefusal, ATensorThatTheModelDoesNotHave) {
  ExpectRefused(Build([](auto* tensors) {
                  tensors->push_back({"model.layers.0.self_attn.q_b_proj.bias", Dtype::kBF16, {4}});
                }),
                3, "model.layers.0.self_attn.q_b_proj.bias", "not a tensor of this model");
  ExpectRefused(Build([](auto* tensors) {
                  tensors->push_back({"model.layers.99.input_layernorm.weight", Dtype::kBF16, {4}});
                }),
                3, "model.layers.99.input_layernorm.weight", "not a tensor of this model");
}

TEST_F(MindieRefusal, NamesThatOnlyLookLikeALayers) {
  const std::string mtp_layer = std::to_string(shape_.layers);
  options_.mtp = true;
  const std::vector<std::string> names = {"model.layers",
                                          "model.layers.x.weight",
                                          "model.layers." + mtp_layer,
                                          "model.layers." + mtp_layer + "x.weight",
                                          "model.layers." + mtp_layer + ".shared_head.bias",
                                          "model.layers.99999999999999999999.weight"};
  for (const std::string& name : names) {
    ExpectRefused(Build([&](auto* tensors) {
                    tensors->push_back({name, Dtype::kBF16, {4}});
                  }),
                  3, "'" + name + "' in 'model-", "is not a tensor of this model");
  }
}

TEST_F(MindieRefusal, ManyDefectsAreNamedUpToTenAndCounted) {
  const auto result = Build([](auto* tensors) {
    std::erase_if(*tensors, [](const NewTensor& tensor) { return tensor.name.find("layernorm") != std::string::npos; });
  });
  ExpectRefused(result, 3, "model.layers.0.input_layernorm.weight is missing", " more");
  const std::string message(result.status().message());
  std::size_t named = 0;
  for (std::size_t at = 0; (at = message.find(" is missing", at)) != std::string::npos; ++at) ++named;
  EXPECT_EQ(named, 10u);
}

TEST_F(MindieRefusal, AnMtpLayerThatIsNotThere) {
  shape_.mtp_layers = 0;
  options_.mtp = true;
  ExpectRefused(Build(), 3, "MTP", "--no-mtp");
}

// A config that asks for two million layers must not make us look for each of them: it is refused as soon as one that
// asks for a thousandth of that.
TEST_F(MindieRefusal, AConfigThatAsksForFarMoreThanThereIsEndsSoon) {
  const auto seconds_for = [this](const std::string& layers) {
    ExpectRefused(BuildWithConfig("\"num_hidden_layers\": ", "\"num_hidden_layers\": " + layers + ", \"x\": "), 3,
                  "is missing", "at least");
    return LeastSeconds(CLOCK_PROCESS_CPUTIME_ID, 5, [this] { EXPECT_FALSE(BuildWritten().ok()); });
  };
  EXPECT_LT(seconds_for("2000000"), 4 * seconds_for("2000"));
}

TEST_F(MindieRefusal, ADenseTensorParallelSizeThatDoesNotFit) {
  ASSERT_TRUE(Build().ok());
  options_.layout_options = {{"dense_mlp_local_tp", "3"}};
  ExpectRefused(BuildWritten(), 2, "dense_mlp_local_tp is 3", "does not divide the world size 4");
  options_.layout_options = {{"dense_mlp_local_tp", "2"}};
  ExpectRefused(BuildWritten(), 3, "dense_mlp_local_tp is 2", "-O fidelity=loader");
  options_.layout_options = {{"dense_mlp_local_tp", "2"}, {"fidelity", "loader"}};
  EXPECT_TRUE(BuildWritten().ok());
}

TEST_F(MindieRefusal, OptionsThatTheLayoutDoesNotHave) {
  ASSERT_TRUE(Build().ok());
  options_.layout_options = {{"fidelty", "sharder"}};
  ExpectRefused(BuildWritten(), 2, "fidelty", "fidelity");
  options_.layout_options = {{"fidelity", "exact"}};
  ExpectRefused(BuildWritten(), 2, "exact", "sharder or loader");
  options_.layout_options = {{"dense_mlp_local_tp", "0"}};
  ExpectRefused(BuildWritten(), 2, "dense_mlp_local_tp", "0");
  options_.layout_options = {{"ep_level", "3"}};
  ExpectRefused(BuildWritten(), 2, "ep_level", "3");
  options_.layout_options = {{"enable_gating_dp", "maybe"}};
  ExpectRefused(BuildWritten(), 2, "enable_gating_dp", "maybe");
}

TEST_F(MindieRefusal, ACopiedNameThatIsNoFileIsLeftOutWithAWarning) {
  ASSERT_TRUE(Build().ok());
  const std::string fifo = directory_ + "/tokenizer.fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0) << std::generic_category().message(errno);
  const auto result = BuildWritten();
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->warnings.size(), 1u);
  EXPECT_EQ(result->warnings[0], "'tokenizer.fifo' is not a regular file and is left out");
  EXPECT_EQ(result->tree->FindChild(kRootNode, "tokenizer.fifo", nullptr), nullptr);
}

TEST_F(MindieRefusal, ACopiedFileThatIsTooLarge) {
  ASSERT_TRUE(Build().ok());
  const auto path = std::filesystem::path(directory_) / "tokenizer.bin";
  std::ofstream(path) << "x";
  std::filesystem::resize_file(path, (std::uint64_t{1} << 30) + 1);
  ExpectRefused(BuildWritten(), 3, "tokenizer.bin", "1073741824");
}

}  // namespace
}  // namespace shardfs::testing
