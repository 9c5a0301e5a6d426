#include "transform/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/tiny_checkpoint.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kWeights[] = "adapter_model.safetensors";
constexpr char kConfig[] = "adapter_config.json";
constexpr char kPlain[] = R"({"peft_type": "LORA", "r": 2, "lora_alpha": 3})";

class LoraTest : public ::testing::Test {
 protected:
  LoraTest() {
    base_.AddShard("a.safetensors", {{"layers.0.q.weight", Dtype::kBF16, {4, 6}},
                                     {"layers.0.q.bias", Dtype::kF32, {4}},
                                     {"layers.1.q.weight", Dtype::kF16, {4, 4}},
                                     {"norm.weight", Dtype::kBF16, {6}}});
    base_.AddShard("b.safetensors", {{"embed_tokens.weight", Dtype::kBF16, {5, 4}},
                                     {"packed.weight", Dtype::kF8E4M3, {4, 4}},
                                     {"int.weight", Dtype::kI8, {4, 4}},
                                     {"gptq.qweight", Dtype::kI32, {4, 4}}});
    base_.AddFile("config.json", "{}");
    adapter_.AddFile(kConfig, kPlain);
    AddFactors("layers.0.q", 4, 6);
  }

  static NewTensor Named(const std::string& rest, Shape shape, Dtype dtype = Dtype::kF32) {
    return {"base_model.model." + rest, dtype, std::move(shape)};
  }
  void AddFactors(const std::string& module, std::uint64_t out, std::uint64_t in, std::uint64_t rank = 2) {
    AddTensors({Named(module + ".lora_A.weight", {rank, in}), Named(module + ".lora_B.weight", {out, rank})});
  }
  void AddTensors(const std::vector<NewTensor>& tensors) { adapter_.AddShard(kWeights, tensors); }

  Result<CheckpointPtr> Apply(const std::string& adapters = "") const {
    const LoraTransform lora;
    const std::string given = adapters.empty() ? adapter_.path() : adapters;
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(lora, {{"lora", given}}));
    EXPECT_TRUE(lora.IsAskedFor(values));
    return lora.Apply(base_.Open(), values, {});
  }

  CheckpointPtr MustApply(const std::string& adapters = "") const {
    auto checkpoint = Apply(adapters);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    return checkpoint.ok() ? *checkpoint : nullptr;
  }

  std::string Refusal() const {
    const auto checkpoint = Apply();
    EXPECT_FALSE(checkpoint.ok());
    if (checkpoint.ok()) return "";
    const StatusCode code = checkpoint.status().code();
    EXPECT_THAT(code,
                ::testing::AnyOf(StatusCode::kCorruption, StatusCode::kNotSupported, StatusCode::kInvalidArgument))
        << checkpoint.status();
    return std::string(checkpoint.status().message());
  }
  std::string RefusalOfConfig(const std::string& members) {
    adapter_.AddFile(kConfig, R"({"peft_type": "LORA", "r": 2)" + members + "}");
    return Refusal();
  }
  std::string RefusalOf(const std::vector<NewTensor>& tensors) {
    AddTensors(tensors);
    return Refusal();
  }

  TinyCheckpoint base_;
  TinyCheckpoint adapter_;
};

TEST_F(LoraTest, ChangesBytesAlone) {
  const CheckpointPtr before = base_.Open();
  const CheckpointPtr merged = MustApply();
  ASSERT_NE(merged, nullptr);
  ASSERT_EQ(merged->tensors().specs().size(), before->tensors().specs().size());
  for (std::uint32_t i = 0; i < before->tensors().specs().size(); ++i) {
    const TensorSpec& spec = merged->tensors().specs()[i];
    EXPECT_EQ(spec.name, before->tensors().specs()[i].name);
    EXPECT_EQ(spec.dtype, before->tensors().specs()[i].dtype);
    EXPECT_EQ(spec.shape, before->tensors().specs()[i].shape);
    EXPECT_EQ(merged->tensors().Origin(i), before->tensors().Origin(i));
    EXPECT_EQ(merged->tensors().SpanOf(i).has_value(), spec.name != "layers.0.q.weight");
  }
  ASSERT_EQ(merged->transforms().size(), 1u);
  EXPECT_TRUE(merged->transforms()[0].keeps_headers);
  EXPECT_THAT(merged->transforms()[0].account,
              AllOf(HasSubstr("1 weight merged at scaling 1.5 by '"), HasSubstr(adapter_.path())));
  std::vector<std::string> files;
  for (const auto& file : merged->sources().files()) files.push_back(file->name());
  EXPECT_THAT(files, ::testing::ElementsAre("a.safetensors", "b.safetensors", "lora:adapter_model.safetensors",
                                            "lora:adapter_config.json"));
}

TEST_F(LoraTest, ReplacesAndMergesAndAdds) {
  adapter_.AddFile(kConfig, R"({"peft_type": "LORA", "r": 2, "lora_alpha": 3, "lora_bias": true, "use_rslora": false,
                                "init_lora_weights": "gaussian", "alpha_pattern": {"1.q": 1}, "modules_to_save": ["norm"]})");
  AddTensors({Named("layers.0.q.lora_A.weight", {2, 6}), Named("layers.0.q.lora_B.weight", {4, 2}),
              Named("layers.0.q.lora_B.bias", {4}), Named("layers.1.q.lora_A.weight", {2, 4}),
              Named("layers.1.q.lora_B.weight", {4, 2}), Named("norm.weight", {6}),
              Named("embed_tokens.base_layer.weight", {5, 4}), Named("embed_tokens.lora_embedding_A", {2, 5}),
              Named("embed_tokens.lora_embedding_B", {4, 2})});
  const CheckpointPtr merged = MustApply();
  ASSERT_NE(merged, nullptr);
  EXPECT_THAT(merged->transforms()[0].account,
              HasSubstr("3 weights merged at scaling 0.5 (1), 1.5 (2), 1 bias added to, 2 tensors replaced by"));
  for (const TensorSpec& spec : merged->tensors().specs()) {
    const auto tensor = merged->Build(spec);
    ASSERT_TRUE(tensor.ok()) << spec.name << ": " << tensor.status();
    EXPECT_EQ((*tensor)->dtype(), spec.dtype) << spec.name;
    EXPECT_EQ((*tensor)->shape(), spec.shape) << spec.name;
    EXPECT_TRUE(LowerToPlan(*tensor).ok()) << spec.name;
  }
}

TEST_F(LoraTest, AdaptersStandInTheirOrder) {
  TinyCheckpoint second;
  second.AddFile(kConfig, kPlain);
  second.AddShard(kWeights, {Named("layers.0.q.lora_A.weight", {2, 6}), Named("layers.0.q.lora_B.weight", {4, 2})});
  const CheckpointPtr merged = MustApply(adapter_.path() + "," + second.path());
  ASSERT_NE(merged, nullptr);
  ASSERT_EQ(merged->transforms().size(), 2u);
  EXPECT_THAT(merged->transforms()[1].account, AllOf(HasSubstr(second.path()), HasSubstr("which has rounded")));
  EXPECT_EQ(merged->sources().roots()[2]->label(), "lora2");
}

TEST_F(LoraTest, RefusesAnAdapterOfAnotherModel) {
  AddFactors("model.layers.0.q", 4, 6);
  EXPECT_THAT(Refusal(),
              AllOf(HasSubstr(adapter_.path()), HasSubstr("'base_model.model.model.layers.0.q.lora_A.weight'"),
                    HasSubstr("changes 'model.layers.0.q.weight', which the checkpoint does not have")));
  EXPECT_THAT(RefusalOf({Named("score.weight", {2, 4})}), HasSubstr("changes 'score.weight'"));
  EXPECT_THAT(RefusalOf({{"layers.0.q.lora_A.weight", Dtype::kF32, {2, 6}}}),
              HasSubstr("does not begin with base_model.model."));
}

TEST_F(LoraTest, RefusesShapesThatDoNotFit) {
  AddFactors("layers.0.q", 4, 5);
  EXPECT_THAT(Refusal(), HasSubstr("do not fit the checkpoint's 'layers.0.q.weight' BF16 [4, 6]"));
  AddFactors("layers.0.q", 4, 6, 3);
  EXPECT_THAT(Refusal(), HasSubstr("has rank 3, and adapter_config.json gives module 'layers.0.q' rank 2"));
  EXPECT_THAT(RefusalOf({Named("layers.0.q.lora_A.weight", {2, 6}), Named("layers.0.q.lora_B.weight", {4, 3})}),
              HasSubstr("do not fit"));
  EXPECT_THAT(RefusalOf({Named("norm.weight", {5})}),
              HasSubstr("is to replace the checkpoint's 'norm.weight' BF16 [6]"));
  EXPECT_THAT(
      RefusalOf({Named("embed_tokens.lora_embedding_A", {2, 4}), Named("embed_tokens.lora_embedding_B", {5, 2})}),
      HasSubstr("do not fit"))
      << "an embedding has one orientation";
}

TEST_F(LoraTest, RefusesFactorsWithoutTheirPartners) {
  for (const char* const rest :
       {"layers.0.q.lora_A.weight", "layers.0.q.lora_B.weight", "embed_tokens.lora_embedding_A"}) {
    EXPECT_THAT(RefusalOf({Named(rest, {2, 6})}), HasSubstr("which are not one A and one B")) << rest;
  }
  EXPECT_THAT(RefusalOf({Named("layers.0.q.lora_A.weight", {2, 6}), Named("layers.0.q.lora_B.weight", {4, 2}),
                         Named("layers.0.q.lora_embedding_A", {2, 6})}),
              HasSubstr("which are not one A and one B"));
  EXPECT_THAT(RefusalOf({Named("layers.0.q.lora_A.weight", {2, 6}), Named("layers.0.q.lora_B.weight", {4, 2}),
                         Named("layers.0.q.weight", {4, 6})}),
              HasSubstr("both replaces 'layers.0.q.weight' and has factors for it"));
  EXPECT_THAT(RefusalOf({Named("norm.weight", {6}), Named("norm.base_layer.weight", {6})}),
              ::testing::AnyOf(HasSubstr("two tensors are to replace"), HasSubstr("changes 'norm")));
  EXPECT_THAT(RefusalOf({Named("layers.0.q.lora_A.weight", {2, 6}), Named("layers.0.q.lora_B.weight", {4, 2}),
                         Named("layers.0.q.lora_B.bias", {4})}),
              HasSubstr("does not set lora_bias"));
}

TEST_F(LoraTest, RefusesOtherDtypesAndSaysWhatWorks) {
  AddFactors("packed", 4, 4);
  EXPECT_THAT(Refusal(),
              HasSubstr("'packed.weight' is F8_E4M3, and only F32, F16 and BF16 weights take an adapter; add "
                        "--dequantize bf16, which comes before lora"));
  AddFactors("int", 4, 4);
  EXPECT_THAT(Refusal(), HasSubstr("take the checkpoint before it was quantised"));
  AddFactors("gptq", 4, 4);
  EXPECT_THAT(Refusal(), HasSubstr("quantised as 'gptq.qweight'"));
  EXPECT_THAT(RefusalOf({Named("norm.weight", {6}, Dtype::kI8)}),
              HasSubstr("norm.weight' is I8, not F32, F16 or BF16"));
}

TEST_F(LoraTest, RefusesTiedEmbeddings) {
  base_.AddFile("config.json", R"({"tie_word_embeddings": true})");
  EXPECT_NE(MustApply(), nullptr) << "q is not tied";
  EXPECT_THAT(
      RefusalOf({Named("embed_tokens.lora_embedding_A", {2, 5}), Named("embed_tokens.lora_embedding_B", {4, 2})}),
      HasSubstr("\"tie_word_embeddings\": true"));
  EXPECT_THAT(RefusalOf({Named("embed_tokens.weight", {5, 4})}), HasSubstr("it changes 'embed_tokens.weight'"));
  base_.AddFile("config.json", R"({"text_config": {"tie_word_embeddings": true}})");
  EXPECT_THAT(Refusal(), HasSubstr("both sides of the tie would change"));
}

TEST_F(LoraTest, RefusesWhatIsNoPlainUpdate) {
  for (const char* const setting :
       {R"("use_dora": true)", R"("use_qalora": true)", R"("use_bdlora": {"a": 1})", R"("arrow_config": {"a": 1})",
        R"("alora_invocation_tokens": [1])", R"("velora_config": {"a": 1})", R"("monteclora_config": {"a": 1})",
        R"("kasa_config": {"a": 1})", R"("target_parameters": ["x"])", R"("layer_replication": [[0, 1]])",
        R"("trainable_token_indices": [3])", R"("megatron_config": {"a": 1})", R"("lora_ga_config": {"a": 1})"}) {
    EXPECT_THAT(RefusalOfConfig(std::string(", ") + setting), HasSubstr("is set, which is not a plain B*A update"))
        << setting;
  }
  for (const char* const way : {"pissa", "pissa_niter_4", "olora", "corda", "loftq", "mica", "lora_ga"}) {
    EXPECT_THAT(RefusalOfConfig(std::string(R"(, "init_lora_weights": ")") + way + "\""),
                HasSubstr("its initialisation has changed"))
        << way;
  }
  EXPECT_THAT(RefusalOfConfig(R"(, "new_method": {"x": 1})"),
              HasSubstr("'new_method' is {\"x\": 1}, a setting that shardfs does not know"));
  adapter_.AddFile(kConfig, R"({"peft_type": "IA3"})");
  EXPECT_THAT(Refusal(), HasSubstr("peft_type is \"IA3\", and only \"LORA\" is merged"));
  adapter_.AddFile(kConfig, R"({"r": 2})");
  EXPECT_THAT(Refusal(), HasSubstr("peft_type is missing"));
  adapter_.AddFile(kConfig, kPlain);
  EXPECT_THAT(RefusalOf({Named("layers.0.q.lora_magnitude_vector", {4})}), HasSubstr("not of a plain B*A update"));
}

TEST_F(LoraTest, TakesSettingsWithoutEffectAndEmptyOnes) {
  adapter_.AddFile(kConfig,
                   R"({"peft_type": "LORA", "r": 2, "use_dora": false, "new_method": null, "newer": [], "zero": 0,
                                "target_modules": ["q"], "lora_dropout": 0.1, "bias": "all", "peft_version": "1",
                                "init_lora_weights": true, "layer_replication": null, "lora_ga_config": {}})");
  EXPECT_NE(MustApply(), nullptr);
}

TEST_F(LoraTest, RefusesConfigsOfOtherTypes) {
  EXPECT_THAT(RefusalOfConfig(R"(, "lora_alpha": "16")"), HasSubstr("lora_alpha is \"16\", not a number"));
  EXPECT_THAT(RefusalOfConfig(R"(, "rank_pattern": {"q": 0})"), HasSubstr("rank_pattern of 'q' is 0, not a rank"));
  EXPECT_THAT(RefusalOfConfig(R"(, "rank_pattern": [1])"), HasSubstr("rank_pattern is [1], not an object"));
  EXPECT_THAT(RefusalOfConfig(R"x(, "alpha_pattern": {"(?=q)": 1})x"), HasSubstr("which shardfs does not evaluate"));
  EXPECT_THAT(RefusalOfConfig(R"(, "alpha_pattern": {"[q": 1})"), HasSubstr("'[' without its ']'"));
  EXPECT_THAT(RefusalOfConfig(R"(, "use_rslora": 1)"), HasSubstr("use_rslora is 1, not true or false"));
  EXPECT_THAT(RefusalOfConfig(R"(, "lora_alpha": 1e200)"), HasSubstr("more than an F32 holds"));
  adapter_.AddFile(kConfig, "[]");
  EXPECT_THAT(Refusal(), HasSubstr("adapter_config.json is not a JSON object"));
}

TEST_F(LoraTest, RefusesDirectoriesThatAreNoAdapters) {
  const auto refusal = [&](const std::string& path) { return std::string(Apply(path).status().message()); };
  EXPECT_THAT(refusal("/nonexistent"), HasSubstr("does not exist"));
  EXPECT_THAT(refusal(base_.path()), HasSubstr("adapter_config.json is missing"));
  EXPECT_THAT(refusal(adapter_.path() + "/" + kWeights),
              HasSubstr("give the directory that holds adapter_config.json"));
  TinyCheckpoint pickle;
  pickle.AddFile(kConfig, kPlain);
  EXPECT_THAT(refusal(pickle.path()), HasSubstr("adapter_model.safetensors is missing"));
  pickle.AddFile("adapter_model.bin", "x");
  EXPECT_THAT(refusal(pickle.path()), HasSubstr("adapter_model.bin is a pickle, which shardfs never opens"));
}

// What matching may cost is bounded before it begins.
TEST_F(LoraTest, RefusesPatternsWithoutBound) {
  std::string keys;
  for (int i = 0; i < 300; ++i)
    keys += (i == 0 ? "\"" : ", \"") + std::string("x{9000}") + std::to_string(i) + "\": 1";
  EXPECT_THAT(RefusalOfConfig(", \"alpha_pattern\": {" + keys + "}"),
              HasSubstr("alpha_pattern has more or longer keys than shardfs takes"));
}

class LoraScalingTest : public ::testing::Test {
 protected:
  LoraScalingTest() {
    tensors_ = {{"attention.q.weight", Dtype::kF32, {4, 6}},
                {"attention.q.mindpet_delta_lora_a", Dtype::kF32, {2, 6}},
                {"attention.q.mindpet_delta_lora_b", Dtype::kF32, {4, 2}},
                {"mlp.weight", Dtype::kBF16, {4, 6}},
                {"mlp.lora_A.weight", Dtype::kF32, {2, 6}},
                {"mlp.lora_B.weight", Dtype::kF32, {4, 2}},
                {"adam_m.attention.q.mindpet_delta_lora_a", Dtype::kF32, {2, 6}},
                {"adam_v.mlp.weight", Dtype::kF32, {4, 6}},
                {"global_step", Dtype::kI32, {1}}};
  }

  Result<CheckpointPtr> Apply(const std::vector<std::pair<std::string, std::string>>& options = {
                                  {"lora_scaling", "0.5"}}) {
    source_.AddShard("model.safetensors", tensors_);
    const LoraTransform lora;
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(lora, options));
    return lora.Apply(source_.Open(), values, {});
  }
  std::string RefusalWith(const NewTensor& tensor) {
    const auto before = tensors_;
    std::erase_if(tensors_, [&](const NewTensor& one) { return one.name == tensor.name; });
    tensors_.push_back(tensor);
    const auto checkpoint = Apply();
    tensors_ = before;
    EXPECT_FALSE(checkpoint.ok());
    return std::string(checkpoint.status().message());
  }
  std::string RefusalWithout(const std::string& name) {
    std::erase_if(tensors_, [&](const NewTensor& one) { return one.name == name; });
    const auto checkpoint = Apply();
    EXPECT_FALSE(checkpoint.ok());
    return std::string(checkpoint.status().message());
  }

  TinyCheckpoint source_;
  std::vector<NewTensor> tensors_;
};

TEST_F(LoraScalingTest, MergesBothFamiliesOfNames) {
  const auto merged = Apply();
  ASSERT_TRUE(merged.ok()) << merged.status();
  std::vector<std::string> names;
  for (const TensorSpec& spec : (*merged)->tensors().specs()) {
    names.emplace_back(spec.name);
    EXPECT_EQ((*merged)->tensors().Find(spec.name), (*merged)->IndexOf(spec));
    ASSERT_TRUE(LowerToPlan((*merged)->Build(spec).value()).ok());
  }
  EXPECT_THAT(names,
              ::testing::UnorderedElementsAre("attention.q.weight", "mlp.weight", "adam_v.mlp.weight", "global_step"));
  EXPECT_FALSE((*merged)->tensors().SpanOf((*merged)->IndexOf(*(*merged)->Find("mlp.weight"))));
  EXPECT_EQ((*merged)->ignored().size(), 5u);
  EXPECT_FALSE((*merged)->transforms()[0].keeps_headers);
  EXPECT_THAT((*merged)->transforms()[0].account, HasSubstr("2 weights merged at scaling 0.5, 4 of 9 parameters left"));
}

TEST_F(LoraScalingTest, RefusesWhatTheReferenceWouldLose) {
  EXPECT_THAT(RefusalWith({"kv_lora_norm.weight", Dtype::kF32, {2}}),
              HasSubstr("'kv_lora_norm.weight' holds \"lora_\""));
  EXPECT_THAT(RefusalWith({"x.lora_A.weight", Dtype::kF32, {2, 6}}), HasSubstr("has no base, 'x.weight'"));
  EXPECT_THAT(RefusalWith({"accu_grads.attention.q.mindpet_delta_lora_a", Dtype::kF32, {2, 6}}),
              HasSubstr("has no base, 'accu_grads.attention.q.weight'"));
  EXPECT_THAT(RefusalWith({"mlp.weight", Dtype::kF32, {6, 4}}), HasSubstr("do not fit 'mlp.weight' [6, 4]"));
  EXPECT_THAT(RefusalWith({"mlp.weight", Dtype::kI8, {4, 6}}), HasSubstr("'mlp.weight' is I8, not F32, F16 or BF16"));
  EXPECT_THAT(RefusalWithout("mlp.lora_B.weight"),
              HasSubstr("'mlp.lora_A.weight' has no partner, 'mlp.lora_B.weight'"));
}

TEST_F(LoraScalingTest, RefusesNumbersThatAreNoneAndBothWays) {
  EXPECT_THAT(std::string(Apply({{"lora_scaling", "two"}}).status().message()),
              HasSubstr("lora_scaling is 'two', not a number"));
  EXPECT_THAT(std::string(Apply({{"lora_scaling", "inf"}}).status().message()), HasSubstr("not a number"));
  EXPECT_THAT(std::string(Apply({{"lora_scaling", "2"}, {"lora", "/a"}}).status().message()),
              HasSubstr("give one of them"));
  tensors_ = {{"mlp.weight", Dtype::kBF16, {4, 6}}};
  EXPECT_THAT(std::string(Apply().status().message()),
              HasSubstr("has none; a PEFT adapter beside it is given with --lora"));
}

}  // namespace
}  // namespace shardfs::testing
