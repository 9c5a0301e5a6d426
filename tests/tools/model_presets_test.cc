// The presets at true scale have the published checkpoints' tensors: as many, and of as many bytes in all as the
// published index says (`total_size`), or twice the published number of parameters.
#include "tools/model_presets.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "tools/checkpoint_writer.h"

namespace shardfs::tools {
namespace {

namespace fs = std::filesystem;

struct Published {
  const char* preset;
  std::uint64_t tensors;
  std::uint64_t bytes;
};

constexpr Published kPublished[] = {
    {"llama-3-8b", 291, 16'060'522'496},
    {"llama-3-70b", 723, 141'107'412'992},
    {"qwen2-7b", 339, 15'231'233'024},
    {"qwen3-4b", 398, 8'044'936'192},
    {"qwen3-8b", 399, 16'381'470'720},
    {"qwen3-30b-a3b", 18'867, 61'064'245'248},
    {"qwen3-235b-a22b", 36'945, 470'187'269'120},
    {"mixtral-8x7b", 995, 93'405'585'408},
    {"deepseek-moe-16b", 5'466, 2 * std::uint64_t{16'375'728'128}},
    {"deepseek-v2-lite", 5'291, 31'412'968'448},
    {"deepseek-v2", 29'102, 2 * std::uint64_t{235'741'434'880}},
};

std::uint64_t TotalBytes(const std::vector<NewTensor>& tensors) {
  std::uint64_t total = 0;
  for (const NewTensor& tensor : tensors) total += SizeOf(tensor);
  return total;
}

TEST(ModelPresetsTest, TrueScaleHasThePublishedTensorsAndBytes) {
  for (const auto& [name, count, bytes] : kPublished) {
    SCOPED_TRACE(name);
    const ModelPreset* preset = FindModelPreset(name);
    ASSERT_NE(preset, nullptr);
    const auto tensors = FamilyTensors(ModelOf(*preset));
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    EXPECT_EQ(tensors->size(), count);
    EXPECT_EQ(TotalBytes(*tensors), bytes);
    std::set<std::string> names;
    for (const NewTensor& tensor : *tensors) names.insert(tensor.name);
    EXPECT_EQ(names.size(), tensors->size());
  }
}

TEST(ModelPresetsTest, EveryPresetIsPublishedOrSmall) {
  std::set<std::string_view> published;
  for (const Published& checkpoint : kPublished) published.insert(checkpoint.preset);
  for (const ModelPreset& preset : ModelPresets()) {
    if (published.contains(preset.name)) continue;
    EXPECT_TRUE(preset.name.ends_with("-small")) << preset.name;
    const auto tensors = FamilyTensors(ModelOf(preset));
    ASSERT_TRUE(tensors.ok()) << preset.name << ": " << tensors.status();
    EXPECT_LT(TotalBytes(*tensors), 3'000'000u) << preset.name;
  }
}

TEST(ModelPresetsTest, ChangesAreOfKeysThatTheFamilyHas) {
  for (const ModelPreset& preset : ModelPresets()) {
    const Model model = ModelOf(preset);
    const ModelConfig published(model.family->config);
    for (const ConfigEntry& change : preset.changes) {
      EXPECT_TRUE(published.Has(change.key)) << preset.name << " " << change.key;
      EXPECT_EQ(model.config.Text(change.key), change.json);
    }
  }
}

TEST(ModelPresetsTest, ConfigsSayThePublishedModels) {
  const auto text = [](std::string_view preset, std::string_view key) {
    return std::string(ModelOf(*FindModelPreset(preset)).config.Text(key));
  };
  EXPECT_EQ(text("llama-3-70b", "model_type"), "\"llama\"");
  EXPECT_EQ(text("llama-3-70b", "num_key_value_heads"), "8");
  EXPECT_EQ(text("llama-3-8b", "rope_theta"), "500000.0");
  EXPECT_EQ(text("qwen2-7b", "tie_word_embeddings"), "false");
  EXPECT_EQ(text("qwen3-4b", "tie_word_embeddings"), "true");
  EXPECT_EQ(text("qwen3-235b-a22b", "model_type"), "\"qwen3_moe\"");
  EXPECT_EQ(text("qwen3-235b-a22b", "num_experts"), "128");
  EXPECT_EQ(text("mixtral-8x7b", "num_local_experts"), "8");
  EXPECT_EQ(text("deepseek-moe-16b", "model_type"), "\"deepseek\"");
  EXPECT_EQ(text("deepseek-moe-16b", "n_shared_experts"), "2");
  EXPECT_EQ(text("deepseek-v2-lite", "q_lora_rank"), "null");
  EXPECT_EQ(text("deepseek-v2", "model_type"), "\"deepseek_v2\"");
}

// The sizes of the files, without their headers, add up to the published bytes; on disk there is next to nothing.
TEST(ModelPresetsTest, TrueScaleIsWrittenSparse) {
  std::string root = (fs::temp_directory_path() / "shardfs-presets-XXXXXX").string();
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  for (const char* name : {"llama-3-70b", "mixtral-8x7b", "deepseek-moe-16b"}) {
    SCOPED_TRACE(name);
    const ModelPreset& preset = *FindModelPreset(name);
    WriteOptions options;
    options.files = preset.files;
    options.fill = Fill::kSparse;
    const auto summary = WriteModel(root + "/" + name, ModelOf(preset), options);
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->files, preset.files);
    const std::uint64_t bytes = TotalBytes(FamilyTensors(ModelOf(preset)).value());
    EXPECT_GT(summary->apparent_bytes, bytes);
    EXPECT_LT(summary->apparent_bytes, bytes + summary->files * 10 + summary->tensors * 300);
    EXPECT_LT(summary->disk_bytes, bytes / 100);
    fs::remove_all(root + "/" + name);
  }
  fs::remove_all(root);
}

}  // namespace
}  // namespace shardfs::tools
