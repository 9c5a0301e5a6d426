// The mindspore-unified layout on checkpoints of the generator, at random sizes: every parameter of every part is what
// the parameter's name and size say it is, whatever ranks its slices come from; and what the layout refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "layout/mindspore/mindspore_reader.h"
#include "layout/mindspore/mindspore_unified_layout.h"
#include "shardfs/base/json.h"
#include "tools/mindspore_writer.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Options = std::vector<std::pair<std::string, std::string>>;

class MindsporeUnified : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shardfs-unified-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    options_.shape = tools::FindMindSporePreset("llama-small")->shape;
    options_.shape.layers = 2;
    options_.sizes = {.dp = 2, .tp = 2, .pp = 2, .optimizer_shard = -1};
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write() {
    fs::remove_all(root_);
    const auto written = tools::WriteMindSpore(root_, options_);
    ASSERT_TRUE(written.ok()) << written.status();
  }

  Result<View> Show(const Options& given = {}) const {
    std::vector<GivenOption> all = {{"src_strategy", root_ / "strategy", OptionOrigin::kCommandLine, "--src-strategy"}};
    for (const auto& [name, value] : given) all.push_back({name, value, OptionOrigin::kCommandLine, "--" + name});
    const MindsporeReader reader;
    const MindsporeUnifiedLayout layout;
    std::vector<const OptionSpec*> specs;
    for (const OptionSpec& spec : reader.options()) specs.push_back(&spec);
    for (const OptionSpec& spec : layout.options()) specs.push_back(&spec);
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, OptionValues::Create(all, specs));
    SHARDFS_ASSIGN_OR_RETURN(const CheckpointPtr checkpoint, reader.Open(root_ / "checkpoint", values));
    return layout.Build(checkpoint, values, {});
  }

  void ExpectRefused(const std::string& why, const Options& given = {}) const {
    const auto view = Show(given);
    ASSERT_FALSE(view.ok()) << why;
    EXPECT_THAT(std::string(view.status().message()), HasSubstr(why));
  }

  std::string Text(const View& view, const std::string& name) const {
    const VirtualNode* const node = view.tree->FindChild(kRootNode, name, nullptr);
    if (node == nullptr) return "";
    std::string text(node->file->size(), '\0');
    EXPECT_TRUE(node->file->ReadAt(0, std::as_writable_bytes(std::span(text))).ok());
    return text;
  }

  std::string Read(const VirtualFile& file, const FileTensor& tensor) const {
    std::string bytes(tensor.end - tensor.begin, '\0');
    EXPECT_TRUE(file.ReadAt(tensor.begin, std::as_writable_bytes(std::span(bytes))).ok());
    return bytes;
  }

  // The names in the parts; each tensor is compared with its definition.
  std::set<std::string> ExpectWholeParts(const View& view) const {
    std::map<std::string, NewTensor> expected;
    const auto parameters = tools::ParametersOf(options_);
    for (const auto& parameter : *parameters) expected[parameter.tensor.name] = parameter.tensor;
    const auto map = ParseJson(Text(view, "param_name_map.json"), "map");
    EXPECT_TRUE(map.ok()) << map.status();
    std::set<std::string> names;
    for (const VirtualNode& node : view.tree->nodes()) {
      if (node.is_directory() || !node.name.starts_with("part")) continue;
      EXPECT_EQ(node.file->tensor_count(), node.file->tensors().size());
      for (const FileTensor& tensor : node.file->tensors()) {
        const NewTensor& whole = expected[tensor.name];
        EXPECT_EQ(tensor.shape, whole.shape) << tensor.name;
        EXPECT_EQ(tensor.dtype, whole.dtype) << tensor.name;
        std::string bytes(tools::SizeOf(whole), '\0');
        tools::ExpectedBytes({whole.name, whole.dtype, bytes.size(), options_.seed, options_.offsets}, options_.fill, 0,
                             std::as_writable_bytes(std::span(bytes)));
        EXPECT_TRUE(Read(*node.file, tensor) == bytes) << tensor.name;
        EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
        const JsonValue* const file = map->Find("weight_map")->Find(tensor.name);
        EXPECT_TRUE(file != nullptr && file->text() == node.name) << tensor.name;
      }
    }
    EXPECT_EQ(map->Find("weight_map")->members().size(), names.size());
    return names;
  }

  fs::path File(std::uint64_t rank) const {
    const std::string name = "rank_" + std::to_string(rank);
    return root_ / "checkpoint" / name / ("model_" + name + "-1_100.safetensors");
  }

  fs::path root_;
  tools::MindSporeOptions options_;
};

TEST_F(MindsporeUnified, PutsParametersTogetherAtAnySizes) {
  std::mt19937_64 random(11);
  const auto one_of = [&](std::initializer_list<std::uint64_t> values) {
    return *(values.begin() + random() % values.size());
  };
  for (int round = 0; round < 24; ++round) {
    options_.shape = tools::FindMindSporePreset(round % 3 == 0 ? "deepseek-small" : "llama-small")->shape;
    options_.shape.layers = 2;
    options_.shape.tied = random() % 2 == 0;
    options_.sizes = {.dp = one_of({1, 2, 4}), .tp = one_of({1, 2, 4}), .pp = one_of({1, 2})};
    options_.sizes.ep = options_.sizes.dp > 1 ? one_of({1, 2}) : 1;
    options_.sizes.optimizer_shard = random() % 2 == 0 ? -1 : static_cast<std::int64_t>(one_of({0, 2}));
    options_.seed = random();
    options_.moments = random() % 3;
    options_.redundancy_removed = random() % 3 == 0;
    options_.nested_maps = !options_.redundancy_removed && random() % 3 == 0;
    options_.json = !options_.nested_maps && !options_.redundancy_removed && random() % 3 == 0;
    options_.accumulated_grads = random() % 4 == 0;
    Write();
    const auto view = Show({{"part_limit", std::to_string(1 + random() % 300'000)}});
    ASSERT_TRUE(view.ok()) << view.status();
    std::set<std::string> expected;
    const auto parameters = tools::ParametersOf(options_);
    for (const auto& parameter : *parameters) {
      if (!parameter.tensor.name.starts_with("accu_grads")) expected.insert(parameter.tensor.name);
    }
    EXPECT_EQ(ExpectWholeParts(*view), expected);
    EXPECT_NE(view->tree->FindChild(kRootNode, "hyper_param.safetensors", nullptr), nullptr);
  }
}

TEST_F(MindsporeUnified, TasksTogetherShowAllParts) {
  Write();
  const auto whole = Show({{"part_limit", "20000"}});
  ASSERT_TRUE(whole.ok()) << whole.status();
  std::map<std::string, std::uint64_t> files;
  for (const std::string task : {"1/3", "2/3", "3/3"}) {
    const auto view = Show({{"part_limit", "20000"}, {"split_dst_file", task}});
    ASSERT_TRUE(view.ok()) << view.status();
    for (const VirtualNode& node : view->tree->nodes()) {
      if (node.is_directory()) continue;
      EXPECT_TRUE(files.emplace(node.name, node.file->size()).second) << node.name;
    }
    EXPECT_EQ(view->tree->FindChild(kRootNode, "param_name_map.json", nullptr) != nullptr, task == "1/3");
  }
  for (const VirtualNode& node : whole->tree->nodes()) {
    if (node.is_directory()) continue;
    EXPECT_EQ(files[node.name], node.file->size()) << node.name;
  }
  EXPECT_EQ(files.size(), whole->tree->file_count());
  ExpectRefused("nothing to do", {{"split_dst_file", "2/2"}});
  ExpectRefused("as in 1/4", {{"split_dst_file", "3/2"}});
}

TEST_F(MindsporeUnified, LeavesWhatIsFilteredOutInHyperParametersUnlessComplete) {
  options_.moments = 1;
  options_.accumulated_grads = true;
  Write();
  const auto hyper = [](const View& view) {
    std::set<std::string> names;
    for (const FileTensor& tensor :
         view.tree->FindChild(kRootNode, "hyper_param.safetensors", nullptr)->file->tensors()) {
      names.insert(tensor.name);
    }
    return names;
  };
  const auto view = Show({{"filter_out_param_prefix", "adam_"}});
  ASSERT_TRUE(view.ok()) << view.status();
  for (const std::string& name : ExpectWholeParts(*view)) EXPECT_FALSE(name.starts_with("adam_")) << name;
  EXPECT_THAT(hyper(*view), ::testing::IsSupersetOf({"adam_m.model.layers.0.attention.wq.weight", "epoch_num",
                                                     "accu_grads.model.layers.0.attention.wq.weight"}));
  EXPECT_THAT(view->account, ::testing::ElementsAre(HasSubstr("--complete leaves that out")));
  const auto complete = Show({{"filter_out_param_prefix", "adam_"}, {"complete", "true"}});
  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_THAT(hyper(*complete),
              ::testing::ElementsAre("epoch_num", "global_step", "learning_rate", "loss_scale", "step_num"));
  EXPECT_THAT(complete->ignored, ::testing::Contains(::testing::Field(
                                     &IgnoredTensor::name, "accu_grads.model.layers.1.attention.wq.weight")));
}

TEST_F(MindsporeUnified, RefusesMissingFilesUnlessAnotherRankHasTheSlice) {
  options_.sizes.optimizer_shard = 0;  // ranks 0 and 2 hold the same
  Write();
  fs::remove(File(2));
  EXPECT_TRUE(Show().ok());  // MindSpore does not read it either
  fs::remove(File(0));
  ExpectRefused("rank_0/ has no file");
  Write();
  fs::remove(File(0));
  const auto complete = Show({{"complete", "true"}});
  ASSERT_TRUE(complete.ok()) << complete.status();
  ExpectWholeParts(*complete);
  fs::remove(File(2));
  ExpectRefused("so do those of all ranks", {{"complete", "true"}});
}

TEST_F(MindsporeUnified, FindsRemovedRedundancyWhateverTheOptionSays) {
  options_.sizes = {.dp = 4, .tp = 2, .pp = 1};
  options_.redundancy_removed = true;
  Write();
  const auto view = Show({{"has_redundancy", "true"}});
  ASSERT_TRUE(view.ok()) << view.status();
  ExpectWholeParts(*view);
  EXPECT_THAT(Text(*view, "part0.safetensors"),
              HasSubstr("\"remove_redundancy\":\"True\""));  // as MindSpore inherits it
  const auto complete = Show({{"complete", "true"}});
  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_THAT(Text(*complete, "part0.safetensors"), ::testing::Not(HasSubstr("remove_redundancy")));
  options_.nested_maps = true;
  Write();
  ExpectRefused("MindSpore would take wrong slices");
  const auto nested = Show({{"complete", "true"}});
  ASSERT_TRUE(nested.ok()) << nested.status();
  ExpectWholeParts(*nested);
  options_.nested_maps = false;
  options_.json = true;
  Write();
  ExpectRefused("JSON");
}

TEST_F(MindsporeUnified, RefusesFilesOfDifferentSteps) {
  Write();
  for (std::uint64_t rank = 0; rank < 8; ++rank) {
    if (rank != 3) fs::copy_file(File(rank), File(rank).parent_path() / "model-1_200.safetensors");
  }
  ExpectRefused("1_100");
  const auto complete = Show({{"complete", "true"}});
  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_THAT(complete->warnings, ::testing::Contains(HasSubstr("1_100")));
  ExpectWholeParts(*complete);
  EXPECT_TRUE(Show({{"file_suffix", "1_100"}}).ok());
}

TEST_F(MindsporeUnified, RefusesTwoParametersOfOneName) {
  Write();
  const auto rename = [&](const std::string& text) {
    std::FILE* const file = std::fopen((root_ / "names.json").c_str(), "w");
    std::fputs(text.c_str(), file);
    std::fclose(file);
    return Options{{"rename", root_ / "names.json"}};
  };
  ExpectRefused("would both be called 'lm_head.weight'", rename(R"({"model.norm_out.weight": "lm_head.weight"})"));
  ExpectRefused("gives no name", rename(R"({"a": 1})"));
  ExpectRefused("no JSON object", rename("[]"));
  ExpectRefused("JSON file of old and new names", {{"rename", "a=>b"}});
  const auto view = Show(rename(R"({"model.norm_out.weight": "norm", "nothing": "n"})"));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(Text(*view, "param_name_map.json"), HasSubstr("\"norm\": \"part0.safetensors\""));
}

}  // namespace
}  // namespace shardfs
