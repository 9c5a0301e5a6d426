#include "transform/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/tiny_checkpoint.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Options = std::vector<std::pair<std::string, std::string>>;

class SelectTest : public ::testing::Test {
 protected:
  SelectTest() {
    source_.AddShard("a.safetensors", {{"model.embed_tokens.weight", Dtype::kBF16, {4, 2}},
                                       {"model.layers.0.mlp.gate_proj.weight", Dtype::kBF16, {2, 2}},
                                       {"model.layers.1.mlp.gate_proj.weight", Dtype::kBF16, {2, 2}}});
    source_.AddShard("b.safetensors", {{"model.layers.2.mlp.gate_proj.weight", Dtype::kI8, {2, 2}},
                                       {"model.layers.2.mlp.gate_proj.weight_scale", Dtype::kF32, {2, 1}},
                                       {"lm_head.weight", Dtype::kBF16, {4, 2}}});
    source_.AddFile("config.json", R"({"num_hidden_layers": 2, "first_k_dense_replace": 1,
        "num_nextn_predict_layers": 1, "layer_types": ["a", "b"], "mlp_only_layers": [0], "name": "gr\u00fcn"})");
  }

  Result<CheckpointPtr> Apply(const Options& options) const {
    const SelectTransform select;
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(select, options));
    EXPECT_TRUE(select.IsAskedFor(values));
    return select.Apply(source_.Open(), values, {});
  }

  std::vector<std::string> Names(const Options& options) const {
    const auto checkpoint = Apply(options);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    std::vector<std::string> names;
    if (!checkpoint.ok()) return names;
    for (const TensorSpec& spec : (*checkpoint)->tensors().specs()) names.emplace_back(spec.name);
    return names;
  }

  std::string Refusal(const Options& options) const {
    const auto checkpoint = Apply(options);
    EXPECT_FALSE(checkpoint.ok());
    if (checkpoint.ok()) return "";
    EXPECT_EQ(checkpoint.status().code(), StatusCode::kInvalidArgument) << checkpoint.status();
    return std::string(checkpoint.status().message());
  }

  TinyCheckpoint source_;
};

TEST_F(SelectTest, IsAskedForByAnyOfItsOptionsButASwitchThatIsOff) {
  const SelectTransform select;
  EXPECT_FALSE(select.IsAskedFor(OptionValues()));
  EXPECT_FALSE(select.IsAskedFor(*ValuesOf(select, {{"renumber", "false"}})));
}

TEST_F(SelectTest, SelectKeepsAndDropTakesAway) {
  EXPECT_THAT(Names({{"select", "**.weight"}, {"drop", "model.layers.{1..2}.**"}}),
              ElementsAre("model.embed_tokens.weight", "model.layers.0.mlp.gate_proj.weight", "lm_head.weight"));
  const auto checkpoint = Apply({{"drop", "lm_head.*"}});
  ASSERT_TRUE(checkpoint.ok());
  ASSERT_EQ((*checkpoint)->ignored().size(), 1u);
  EXPECT_EQ((*checkpoint)->ignored()[0].name, "lm_head.weight");
  EXPECT_THAT((*checkpoint)->ignored()[0].reason, HasSubstr("drop"));
  ASSERT_EQ((*checkpoint)->transforms().size(), 1u);
  EXPECT_EQ((*checkpoint)->transforms()[0].name, "select");
}

TEST_F(SelectTest, TheBytesAreThoseOfTheTensorThatWasThere) {
  const auto checkpoint = Apply({{"rename", "lm_head.*=>head.{1}"}});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const StateDict& renamed = (*checkpoint)->tensors();
  const CheckpointPtr before = source_.Open();
  const auto bytes = [](const StateDict& dict, std::string_view name) {
    const auto plan = LowerToPlan(*dict.Build(*dict.Find(name)));
    std::vector<std::byte> data(plan->size());
    EXPECT_TRUE(plan->ReadAt(0, data).ok());
    return data;
  };
  EXPECT_EQ(bytes(renamed, "head.weight"), bytes(before->tensors(), "lm_head.weight"));
  EXPECT_EQ(renamed.Find("lm_head.weight"), std::nullopt);
  EXPECT_EQ(renamed.Origin(*renamed.Find("head.weight")), "b.safetensors");
}

TEST_F(SelectTest, LayersKeepTheirNumbersUnlessRenumbered) {
  EXPECT_THAT(Names({{"layers", "1-2"}, {"select", "model.layers.**.weight"}}),
              ElementsAre("model.layers.1.mlp.gate_proj.weight", "model.layers.2.mlp.gate_proj.weight"));
  EXPECT_THAT(Names({{"layers", "1-2"}, {"select", "model.layers.**.weight"}, {"renumber", "true"}}),
              ElementsAre("model.layers.0.mlp.gate_proj.weight", "model.layers.1.mlp.gate_proj.weight"));
}

TEST_F(SelectTest, RenumberingRewritesTheConfig) {
  const auto checkpoint = Apply({{"layers", "1,2"}, {"renumber", "true"}});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->ReadText("config.json", 1000).value(),
            "{\n  \"num_hidden_layers\": 1,\n  \"first_k_dense_replace\": 0,\n  \"num_nextn_predict_layers\": 1,\n"
            "  \"layer_types\": [\n    \"b\"\n  ],\n  \"mlp_only_layers\": [],\n  \"name\": \"gr\u00fcn\"\n}\n");
}

TEST_F(SelectTest, RenameSeesTheNamesAfterRenumbering) {
  EXPECT_THAT(Names({{"layers", "2"},
                     {"select", "model.layers.**.weight"},
                     {"renumber", "true"},
                     {"rename", "model.layers.{L}.**=>block{1}.{2}"}}),
              ElementsAre("block0.mlp.gate_proj.weight"));
}

TEST_F(SelectTest, RefusesWhatMatchesNothing) {
  EXPECT_EQ(Refusal({{"drop", "model.layer.**"}}), "drop 'model.layer.**' matches no tensor");
  EXPECT_THAT(Refusal({{"select", "**.weight,x"}}), HasSubstr("select 'x' matches no tensor"));
  EXPECT_THAT(Refusal({{"rename", "x=>y"}}), HasSubstr("matches no tensor"));
  // What an earlier rule takes is not left for a later one.
  EXPECT_THAT(Refusal({{"rename", "lm_head.*=>a,lm_head.weight=>b"}}), HasSubstr("'lm_head.weight=>b'"));
  EXPECT_EQ(Refusal({{"layers", "0-4"}}), "layers 0-4: the checkpoint has no layer 3");
}

TEST_F(SelectTest, RefusesWhatCannotBe) {
  EXPECT_EQ(Refusal({{"layers", "3-1"}}), "layers '3-1': '3-1' is no layer and no range");
  EXPECT_THAT(Refusal({{"renumber", "true"}}), HasSubstr("--layers"));
  EXPECT_EQ(Refusal({{"rename", "model.layers.{0..1}.**=>same"}}),
            "model.layers.0.mlp.gate_proj.weight and model.layers.1.mlp.gate_proj.weight would both be same");
  EXPECT_EQ(Refusal({{"rename", "lm_head.*=>x.{2}"}}), "rename 'lm_head.*=>x.{2}': {2} is no wildcard of 'lm_head.*'");
  EXPECT_THAT(Refusal({{"rename", "lm_head.*"}}), HasSubstr("no '=>'"));
  EXPECT_THAT(Refusal({{"rename", "lm_head.*=>"}}), HasSubstr("lm_head.weight would be named ''"));
  EXPECT_EQ(Refusal({{"drop", "**"}}), "no tensor is left to show");
  EXPECT_THAT(Refusal({{"drop", "a.{b"}}), HasSubstr("not closed"));
}

TEST_F(SelectTest, RefusesToRenumberWhatDependsOnNumbers) {
  source_.AddFile("config.json", R"({"num_hidden_layers": 2, "moe_layer_freq": 2})");
  EXPECT_EQ(Refusal({{"layers", "1"}, {"renumber", "true"}}),
            "renumber: moe_layer_freq is 2, which depends on the number of a layer");
  source_.AddFile("config.json", R"({"num_hidden_layers": 2, "layer_types": ["a"]})");
  EXPECT_THAT(Refusal({{"layers", "1"}, {"renumber", "true"}}),
              AllOf(HasSubstr("layer_types"), HasSubstr("1 entries")));
  source_.AddFile("config.json", R"({"layers": 2})");
  EXPECT_THAT(Refusal({{"layers", "1"}, {"renumber", "true"}}), HasSubstr("num_hidden_layers"));
}

TEST_F(SelectTest, RefusesToLeaveADescriptionWithOtherNames) {
  source_.AddFile("quant_model_description.json", "{}");
  EXPECT_EQ(Refusal({{"rename", "lm_head.*=>head.{1}"}}),
            "renumber and rename would leave quant_model_description.json with other names");
  EXPECT_THAT(Names({{"select", "lm_head.*"}}), ElementsAre("lm_head.weight"));
}

TEST_F(SelectTest, WarnsOfScalesThatLoseTheirWeights) {
  const auto torn = Apply({{"drop", "**.weight_scale"}});
  ASSERT_TRUE(torn.ok());
  EXPECT_THAT((*torn)->warnings(), ElementsAre(HasSubstr("model.layers.2.mlp.gate_proj.weight_scale")));
  const auto whole = Apply({{"drop", "model.layers.2.**"}});
  ASSERT_TRUE(whole.ok());
  EXPECT_THAT((*whole)->warnings(), IsEmpty());
}

}  // namespace
}  // namespace shardfs::testing
