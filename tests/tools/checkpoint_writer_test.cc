#include "tools/checkpoint_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>

#include "tools/deepseek_config.h"
#include "tools/model_presets.h"

namespace shardfs::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::IsSupersetOf;
using ::testing::Not;

class CheckpointWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shardfs-tools-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string Directory() const { return root_ / "checkpoint"; }

  static CheckpointOptions TinyOptions() {
    CheckpointOptions options;
    options.shape = FindPreset("tiny")->shape;
    options.files = 3;
    options.seed = 11;
    return options;
  }

  static std::vector<char> ReadFile(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  static nlohmann::json ReadJson(const fs::path& path) { return nlohmann::json::parse(ReadFile(path)); }

  // FNV-1a of the names and contents of all files, in the order of their names.
  std::uint64_t Digest() const {
    std::set<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(Directory())) paths.insert(entry.path());
    std::uint64_t hash = 0xCBF29CE484222325;
    const auto add = [&](char c) { hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3; };
    for (const fs::path& path : paths) {
      for (const char c : path.filename().string()) add(c);
      for (const char c : ReadFile(path)) add(c);
    }
    return hash;
  }

  // Parses each file strictly, compares every tensor's bytes with ExpectedBytes and counts tensors.
  std::size_t VerifyEverything(const CheckpointOptions& options) const {
    std::size_t tensors = 0;
    const std::string index = WeightFilePrefix(options.quantisation.kind) + ".safetensors.index.json";
    const auto weight_map = ReadJson(fs::path(Directory()) / index)["weight_map"];
    for (const auto& entry : fs::directory_iterator(Directory())) {
      if (entry.path().extension() != ".safetensors") continue;
      const std::vector<char> file = ReadFile(entry.path());
      const auto bytes = std::as_bytes(std::span(file));
      const auto extent = HeaderExtent(bytes.first(8), bytes.size());
      EXPECT_TRUE(extent.ok()) << extent.status();
      const auto header = ParseHeader(bytes.first(*extent), bytes.size(), entry.path().filename().string());
      EXPECT_TRUE(header.ok()) << header.status();
      EXPECT_FALSE(header->tensors.empty());
      for (const HeaderTensor& tensor : header->tensors) {
        const ContentKey key{tensor.name, tensor.dtype, tensor.end - tensor.begin, options.seed, options.offsets};
        std::vector<std::byte> expected(key.size);
        ExpectedBytes(key, options.fill, 0, expected);
        EXPECT_TRUE(std::ranges::equal(expected, bytes.subspan(header->data_offset + tensor.begin, key.size)))
            << tensor.name;
        EXPECT_EQ(weight_map[tensor.name], entry.path().filename().string());
        ++tensors;
      }
    }
    EXPECT_EQ(weight_map.size(), tensors);
    return tensors;
  }

  fs::path root_;
};

TEST_F(CheckpointWriterTest, WritesWhatExpectedBytesSays) {
  CheckpointOptions options = TinyOptions();
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->files, 3u);
  EXPECT_EQ(summary->tensors, FloatTensors(options.shape).size());
  EXPECT_EQ(VerifyEverything(options), summary->tensors);
  EXPECT_TRUE(fs::exists(fs::path(Directory()) / "model-00003-of-00003.safetensors"));
}

TEST_F(CheckpointWriterTest, SparseContentTooAndAsF16) {
  CheckpointOptions options = TinyOptions();
  options.fill = Fill::kSparse;
  options.shape.dtype = Dtype::kF16;
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(VerifyEverything(options), summary->tensors);
}

TEST_F(CheckpointWriterTest, WritesEveryKind) {
  for (const char* kind : {"w8a8", "w8a8_dynamic", "w8a8_mix", "w8a16", "w4a8", "w4a8_group"}) {
    SCOPED_TRACE(kind);
    CheckpointOptions options = TinyOptions();
    options.quantisation.kind = ParseCheckpointKind(kind).value();
    options.quantisation.fa3 = true;
    options.offsets = Offsets::kRandom;
    const auto summary = WriteCheckpoint(Directory(), options);
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(VerifyEverything(options), summary->tensors);
    const auto description = ReadJson(fs::path(Directory()) / "quant_model_description.json");
    EXPECT_EQ(description.size(), summary->tensors + 4);  // model_quant_type, version, group_size, fa_quant_type
    fs::remove_all(Directory());
  }
}

// A checkpoint is a function of its options: what a test, a benchmark or a demonstration wrote with an older generator,
// this one writes again.
TEST_F(CheckpointWriterTest, SameOptionsGiveTheSameBytesForEver) {
  CheckpointOptions options;
  options.shape = FindPreset("tiny")->shape;
  options.files = 2;
  options.seed = 7;
  ASSERT_TRUE(WriteCheckpoint(Directory(), options).ok());
  EXPECT_EQ(Digest(), 0xd7c347d7c6d6ae5fu);
  fs::remove_all(Directory());
  options.quantisation = {.kind = CheckpointKind::kW8A8Mix, .fa3 = true, .norms = NormStyle::kBiased};
  options.offsets = Offsets::kRandom;
  ASSERT_TRUE(WriteCheckpoint(Directory(), options).ok());
  EXPECT_EQ(Digest(), 0xd045d93886bfbd1au);
}

TEST_F(CheckpointWriterTest, WritesFp8) {
  const Preset& preset = *FindPreset("deepseek-v3-fp8-small");
  CheckpointOptions options;
  options.shape = preset.shape;
  options.quantisation = preset.quantisation;
  options.files = preset.files;
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(VerifyEverything(options), summary->tensors);
  EXPECT_TRUE(ReadJson(fs::path(Directory()) / "config.json").contains("quantization_config"));
  EXPECT_TRUE(fs::exists(fs::path(Directory()) / "model-00002-of-00002.safetensors"));
}

TEST_F(CheckpointWriterTest, WritesEverySmallModel) {
  for (const ModelPreset& preset : ModelPresets()) {
    if (!preset.name.ends_with("-small")) continue;
    SCOPED_TRACE(preset.name);
    CheckpointOptions options;
    options.files = preset.files;
    const auto summary = WriteModel(Directory(), ModelOf(preset), options);
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->files, preset.files);
    EXPECT_EQ(VerifyEverything(options), summary->tensors);
    const auto config = ReadJson(fs::path(Directory()) / "config.json");
    for (const ConfigEntry& change : preset.changes) {
      EXPECT_EQ(config[std::string(change.key)], nlohmann::json::parse(change.json)) << change.key;
    }
    fs::remove_all(Directory());
  }
}

TEST_F(CheckpointWriterTest, IndexAndSummarySayTheSizes) {
  const CheckpointOptions options = TinyOptions();
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  std::uint64_t apparent = 0;
  for (const auto& entry : fs::directory_iterator(Directory())) {
    if (entry.path().extension() == ".safetensors") apparent += entry.file_size();
  }
  EXPECT_EQ(summary->apparent_bytes, apparent);
  std::uint64_t total = 0;
  for (const NewTensor& tensor : FloatTensors(options.shape)) {
    total += ElementCount(tensor.shape).value() * DtypeBytes(tensor.dtype);
  }
  EXPECT_EQ(ReadJson(fs::path(Directory()) / "model.safetensors.index.json")["metadata"]["total_size"], total);
}

TEST_F(CheckpointWriterTest, MaxFileBytesBoundsEachFile) {
  CheckpointOptions options = TinyOptions();
  options.files = 0;
  options.max_file_bytes = 100'000;
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_GE(summary->files, 10u);
  EXPECT_EQ(VerifyEverything(options), summary->tensors);
  for (const auto& entry : fs::directory_iterator(Directory())) {
    if (entry.path().extension() != ".safetensors") continue;
    const std::vector<char> file = ReadFile(entry.path());
    const auto bytes = std::as_bytes(std::span(file));
    EXPECT_LE(bytes.size() - HeaderExtent(bytes.first(8), bytes.size()).value(), options.max_file_bytes);
  }
}

TEST_F(CheckpointWriterTest, AsManyFilesAsTensorsAtMost) {
  CheckpointOptions options = TinyOptions();
  options.files = 100'000;
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->files, summary->tensors);
}

TEST_F(CheckpointWriterTest, TrueScaleIsSparse) {
  CheckpointOptions options;
  options.shape = FindPreset("deepseek-v3")->shape;
  options.shape.layers = 5;  // two MoE layers at their true sizes: 56 GB
  options.shape.mtp_layers = 0;
  options.files = 7;
  options.fill = Fill::kSparse;
  const auto summary = WriteCheckpoint(Directory(), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->files, 7u);
  EXPECT_GT(summary->apparent_bytes, 50'000'000'000u);
  EXPECT_LT(summary->disk_bytes, 100'000'000u);
}

TEST_F(CheckpointWriterTest, RefusesADirectoryThatIsNotEmpty) {
  fs::create_directories(Directory());
  std::ofstream(fs::path(Directory()) / "precious") << "x";
  const auto summary = WriteCheckpoint(Directory(), TinyOptions());
  EXPECT_EQ(summary.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(std::distance(fs::directory_iterator(Directory()), fs::directory_iterator()), 1);
}

TEST_F(CheckpointWriterTest, RemovesWhatItWroteWhenItFails) {
  CheckpointOptions options = TinyOptions();
  auto tensors = FloatTensors(options.shape);
  tensors.push_back(tensors.back());  // a duplicate name in one file, which SerializeHeader refuses
  EXPECT_FALSE(WriteCheckpoint(Directory(), options, tensors).ok());
  EXPECT_TRUE(fs::is_empty(Directory()));
}

TEST_F(CheckpointWriterTest, RefusesAWrongShapeBeforeWriting) {
  CheckpointOptions options = TinyOptions();
  options.shape.heads = 0;
  EXPECT_EQ(WriteCheckpoint(Directory(), options).status().code(), StatusCode::kInvalidArgument);
  options = TinyOptions();
  options.quantisation.fa3 = true;  // of a float checkpoint
  EXPECT_EQ(WriteCheckpoint(Directory(), options).status().code(), StatusCode::kInvalidArgument);
  options = TinyOptions();
  options.max_file_bytes = 1;
  EXPECT_EQ(WriteCheckpoint(Directory(), options).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(Directory()));
}

nlohmann::json GenerationConfig(const Model& model) {
  for (const TextFile& file : TextFilesOf(model)) {
    if (file.name == "generation_config.json") return nlohmann::json::parse(file.content);
  }
  return {};
}

TEST(TextFilesOfTest, TopKIsWithinTheVocabulary) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  EXPECT_EQ(GenerationConfig(DeepSeekModel(shape))["top_k"], 20);
  shape.vocab = 8;
  EXPECT_EQ(GenerationConfig(DeepSeekModel(shape))["top_k"], 8);
}

TEST(TextFilesOfTest, GenerationConfigHasTheModelsTokens) {
  const auto config = GenerationConfig(ModelOf(*FindModelPreset("qwen3-small")));
  EXPECT_EQ(config["bos_token_id"], 151643);
  EXPECT_EQ(config["eos_token_id"], 151645);
}

TEST(TextFilesOfTest, OnlyRemoteCodeHasPythonFiles) {
  const auto names = [](const Model& model) {
    std::vector<std::string> found;
    for (const TextFile& file : TextFilesOf(model)) found.push_back(file.name);
    return found;
  };
  EXPECT_THAT(names(DeepSeekModel(FindPreset("tiny")->shape)), Contains("modeling_deepseek.py"));
  const auto llama = names(ModelOf(*FindModelPreset("llama-small")));
  EXPECT_THAT(llama, IsSupersetOf({"config.json", "generation_config.json", "tokenizer.json"}));
  EXPECT_THAT(llama, Not(Contains(EndsWith(".py"))));
}

}  // namespace
}  // namespace shardfs::tools
