// Llama-3-70B and Qwen3-235B-A22B at true scale, sparse, in the layout huggingface: the plan and the mount have the
// tensors and bytes of the published checkpoints, and the stamps of the source are where the headers say.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"
#include "tools/checkpoint_writer.h"
#include "tools/model_presets.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

struct Published {
  const char* preset;
  std::uint64_t tensors;
  std::uint64_t bytes;
  std::uint64_t tensors_per_layer;
};

void PrintTo(const Published& published, std::ostream* out) { *out << published.preset; }

constexpr Published kPublished[] = {
    {"llama-3-70b", 723, 141'107'412'992, 9},
    {"qwen3-235b-a22b", 36'945, 470'187'269'120, 9 + 3 * 128},
};

constexpr std::uint64_t kShardBytes = 20'000'000'000;

class TrueScaleFamilies : public ::testing::TestWithParam<Published> {
 protected:
  void SetUp() override {
    const tools::ModelPreset& preset = *tools::FindModelPreset(GetParam().preset);
    tools::WriteOptions options;
    options.files = preset.files;
    options.fill = tools::Fill::kSparse;
    const auto written = tools::WriteModel(source_, tools::ModelOf(preset), options);
    ASSERT_TRUE(written.ok()) << written.status();
  }

  nlohmann::json Plan(std::vector<std::string> options) const {
    options.insert(options.begin(), {"plan", source_, "--layout", "huggingface", "--json"});
    const ProgramResult plan = RunShardfs(std::move(options));
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    return nlohmann::json::parse(plan.out, nullptr, /*allow_exceptions=*/false);
  }

  static std::uint64_t TensorsOf(const nlohmann::json& plan) {
    std::uint64_t tensors = 0;
    for (const auto& entry : plan["entries"]) tensors += entry.value("tensors", std::uint64_t{0});
    return tensors;
  }

  MountableDirectory scratch_;
  std::string source_ = scratch_.path() / "source";
};

// Compares elements of a few tensors, at the stamps and elsewhere.
void ExpectStamps(const std::map<std::string, Place>& places) {
  std::vector<std::string> names;
  for (const auto& [name, place] : places) names.push_back(name);
  std::vector<std::string> some = {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"};
  std::mt19937_64 random(3);
  std::sample(names.begin(), names.end(), std::back_inserter(some), 60, random);
  for (const std::string& name : some) {
    const Place& place = places.at(name);
    const Shape& shape = place.tensor.shape;
    const SourceMatrix source{name, place.tensor.dtype, shape[0], shape.size() > 1 ? shape[1] : 1};
    source.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      ExpectElement(place, row * source.columns + column, source.Element(row, column), name);
    });
  }
}

TEST_P(TrueScaleFamilies, PlanHasThePublishedTensorsAndBytes) {
  const nlohmann::json plan = Plan({});
  EXPECT_EQ(plan["source_tensors"], GetParam().tensors);
  EXPECT_EQ(plan["source_bytes"], GetParam().bytes);
  EXPECT_EQ(TensorsOf(plan), GetParam().tensors);
}

TEST_P(TrueScaleFamilies, PlanOfAPipelineStageHasItsLayers) {
  const nlohmann::json plan = Plan({"--layers", "40-59", "--drop", "model.embed_tokens.*,model.norm.*,lm_head.*"});
  EXPECT_EQ(TensorsOf(plan), 20 * GetParam().tensors_per_layer);
}

TEST_P(TrueScaleFamilies, MountHasThePublishedTensorsAndTheSourcesBytes) {
  SHARDFS_REQUIRE_FUSE();
  const MountedProgram mount(source_, {"--layout", "huggingface", "--max-shard-size", std::to_string(kShardBytes)});
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  const auto places = TensorsOfFolder(mount.path());
  EXPECT_EQ(places.size(), GetParam().tensors);
  std::map<fs::path, std::uint64_t> shards;
  std::uint64_t bytes = 0;
  for (const auto& [name, place] : places) {
    shards[place.file] += BytesOf(place);
    bytes += BytesOf(place);
  }
  EXPECT_EQ(bytes, GetParam().bytes);
  EXPECT_GE(shards.size(), bytes / kShardBytes);
  for (const auto& [file, size] : shards) EXPECT_LE(size, kShardBytes) << file;
  const auto index = nlohmann::json::parse(ReadFile(fs::path(mount.path()) / "model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], bytes);
  EXPECT_EQ(index["weight_map"].size(), places.size());
  ExpectStamps(places);
}

INSTANTIATE_TEST_SUITE_P(Presets, TrueScaleFamilies, ::testing::ValuesIn(kPublished), [](const auto& test) {
  std::string name = test.param.preset;
  std::erase_if(name, [](char c) { return c == '-'; });
  return name;
});

}  // namespace
}  // namespace shardfs::testing
