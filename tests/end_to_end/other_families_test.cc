// Checkpoints of several families, generated, then re-split, selected and renamed by the layout huggingface, through
// the mount and through materialize. Each shown tensor is compared with its source tensor: name, dtype, shape and
// bytes.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <regex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "fuse/fuse_available.h"
#include "tools/checkpoint_writer.h"
#include "tools/model_presets.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

struct FamilyCase {
  const char* preset;
  const char* drop;     // a pattern for --drop
  const char* dropped;  // a regular expression that finds the same tensors
};

constexpr FamilyCase kFamilies[] = {
    {"llama-small", "**.mlp.{gate_proj,up_proj}.weight", R"(\.mlp\.(gate|up)_proj\.weight$)"},
    {"qwen3-moe-small", "**.experts.{8..15}.**", R"(\.experts\.(8|9|1[0-5])\.)"},
    {"mixtral-small", "**.experts.{E}.w2.weight", R"(\.experts\.[0-9]+\.w2\.weight$)"},
    {"deepseek-moe-small", "**.shared_experts.**", R"(\.shared_experts\.)"},
};

void PrintTo(const FamilyCase& family, std::ostream* out) { *out << family.preset; }

enum class Way { kMount, kMaterialize };

void PrintTo(Way way, std::ostream* out) { *out << (way == Way::kMount ? "mounted" : "materialized"); }

// The name under which a source tensor must be shown; nothing where it must not be.
using ShownName = std::function<std::optional<std::string>(const std::string& name)>;

class OtherFamilies : public ::testing::TestWithParam<std::tuple<FamilyCase, Way>> {
 protected:
  void SetUp() override {
    if (way() == Way::kMount) SHARDFS_REQUIRE_FUSE();
    tools::WriteOptions options;
    options.files = 3;
    const auto written = tools::WriteModel(source_, tools::ModelOf(*tools::FindModelPreset(family().preset)), options);
    ASSERT_TRUE(written.ok()) << written.status();
    source_tensors_ = TensorsOfFolder(source_);
    ASSERT_EQ(source_tensors_.size(), written->tensors);
  }

  const FamilyCase& family() const { return std::get<0>(GetParam()); }
  Way way() const { return std::get<1>(GetParam()); }
  const std::string& source() const { return source_; }

  bool IsDropped(const std::string& name) const { return std::regex_search(name, std::regex(family().dropped)); }

  // Shows the source with these options in `shown_`.
  void Show(std::vector<std::string> options) {
    options.insert(options.begin(), {"--layout", "huggingface"});
    if (way() == Way::kMount) {
      mount_ = std::make_unique<MountedProgram>(source_, options);
      ASSERT_EQ(mount_->result().exit_code, 0) << mount_->result().err;
      shown_ = mount_->path();
      return;
    }
    shown_ = scratch_.path() / "out";
    options.insert(options.begin(), {"materialize", source_, shown_});
    const ProgramResult result = RunShardfs(std::move(options));
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  void ExpectTensors(const ShownName& shown_name) const {
    const auto shown = TensorsOfFolder(shown_);
    std::size_t expected = 0;
    for (const auto& [name, source] : source_tensors_) {
      const auto wanted = shown_name(name);
      if (!wanted) continue;
      ++expected;
      ASSERT_TRUE(shown.contains(*wanted)) << *wanted << ", which is " << name;
      const Place& place = shown.at(*wanted);
      EXPECT_EQ(place.tensor.dtype, source.tensor.dtype) << name;
      EXPECT_EQ(place.tensor.shape, source.tensor.shape) << name;
      EXPECT_EQ(ContentOf(place), ContentOf(source)) << name;
    }
    EXPECT_GT(expected, 0u);
    EXPECT_EQ(shown.size(), expected);
    ExpectIndexOf(shown);
  }

  // A shard holds at most `limit` bytes, or a single tensor.
  void ExpectShardsOf(std::uint64_t limit) const {
    std::map<fs::path, std::pair<std::size_t, std::uint64_t>> shards;
    for (const auto& [name, place] : TensorsOfFolder(shown_)) {
      auto& [tensors, bytes] = shards[place.file];
      ++tensors;
      bytes += BytesOf(place);
    }
    EXPECT_GT(shards.size(), 1u);
    for (const auto& [file, shard] : shards) EXPECT_TRUE(shard.first == 1 || shard.second <= limit) << file;
  }

  nlohmann::json Config(const fs::path& directory) const {
    return nlohmann::json::parse(ReadFile(directory / "config.json"));
  }

  fs::path shown_;

 private:
  void ExpectIndexOf(const std::map<std::string, Place>& shown) const {
    const fs::path path = shown_ / "model.safetensors.index.json";
    const bool one_file = fs::exists(shown_ / "model.safetensors");
    EXPECT_NE(fs::exists(path), one_file);
    if (one_file) return;
    const auto index = nlohmann::json::parse(ReadFile(path));
    EXPECT_EQ(index["weight_map"].size(), shown.size());
    std::uint64_t bytes = 0;
    for (const auto& [name, place] : shown) {
      EXPECT_EQ(index["weight_map"][name], place.file.filename().string()) << name;
      bytes += BytesOf(place);
    }
    EXPECT_EQ(index["metadata"]["total_size"], bytes);
  }

  MountableDirectory scratch_;
  std::string source_ = scratch_.path() / "source";
  std::map<std::string, Place> source_tensors_;
  std::unique_ptr<MountedProgram> mount_;
};

// The layer of a tensor; -1 for one of no layer.
int LayerOf(const std::string& name) {
  std::smatch match;
  return std::regex_search(name, match, std::regex(R"(^model\.layers\.([0-9]+)\.)")) ? std::stoi(match[1]) : -1;
}

// What `--layers 1-2 --renumber` makes of a name.
std::optional<std::string> Renumbered(const std::string& name) {
  const int layer = LayerOf(name);
  if (layer < 0) return name;
  if (layer != 1 && layer != 2) return std::nullopt;
  return std::regex_replace(name, std::regex(R"(^model\.layers\.[0-9]+)"), "model.layers." + std::to_string(layer - 1));
}

TEST_P(OtherFamilies, IsSplitAtAnotherSize) {
  Show({"--max-shard-size", "100KB"});
  ExpectTensors([](const std::string& name) { return name; });
  ExpectShardsOf(100'000);
  for (const auto& entry : fs::directory_iterator(source())) {
    const std::string file = entry.path().filename();
    if (file.ends_with(".safetensors") || file.ends_with(".index.json")) continue;
    EXPECT_EQ(ReadFile(shown_ / file), ReadFile(entry.path())) << file;
  }
}

TEST_P(OtherFamilies, IsOneFileByDefault) {
  Show({});
  ExpectTensors([](const std::string& name) { return name; });
  EXPECT_TRUE(fs::exists(shown_ / "model.safetensors"));
}

TEST_P(OtherFamilies, IsCutToLayersWhichAreRenumbered) {
  Show({"--layers", "1-2", "--renumber", "--drop", family().drop});
  ExpectTensors([&](const std::string& name) { return IsDropped(name) ? std::nullopt : Renumbered(name); });
  nlohmann::json config = Config(shown_);
  nlohmann::json original = Config(source());
  EXPECT_EQ(config["num_hidden_layers"], 2);
  EXPECT_EQ(config.value("first_k_dense_replace", 0), 0);
  for (nlohmann::json* json : {&config, &original}) {
    json->erase("num_hidden_layers");
    json->erase("first_k_dense_replace");
  }
  EXPECT_EQ(config, original);
}

TEST_P(OtherFamilies, LayersKeepTheirNumbersWithoutRenumber) {
  Show({"--layers", "1-2"});
  ExpectTensors([](const std::string& name) {
    return LayerOf(name) == 0 || LayerOf(name) > 2 ? std::nullopt : std::optional(name);
  });
  EXPECT_EQ(Config(shown_), Config(source()));
}

TEST_P(OtherFamilies, IsSelectedAndRenamed) {
  Show({"--select", "model.layers.*.self_attn.**,model.norm.*", "--rename", "model.**=>language_model.model.{1}"});
  ExpectTensors([](const std::string& name) -> std::optional<std::string> {
    if (name.find(".self_attn.") == std::string::npos && name != "model.norm.weight") return std::nullopt;
    return "language_model." + name;
  });
}

TEST_P(OtherFamilies, AllOfItAtOnce) {
  Show({"--select", "model.layers.**", "--drop", family().drop, "--layers", "1-2", "--renumber", "--rename",
        "**.self_attn.{q_proj,o_proj}.weight=>{1}.attn.{2}.w", "--max-shard-size", "60KB"});
  ExpectTensors([&](const std::string& name) -> std::optional<std::string> {
    if (LayerOf(name) < 0 || IsDropped(name)) return std::nullopt;
    const auto renumbered = Renumbered(name);
    if (!renumbered) return std::nullopt;
    return std::regex_replace(*renumbered, std::regex(R"(\.self_attn\.(q_proj|o_proj)\.weight$)"), ".attn.$1.w");
  });
  ExpectShardsOf(60'000);
}

std::string CaseName(const ::testing::TestParamInfo<OtherFamilies::ParamType>& info) {
  std::string name = std::get<0>(info.param).preset;
  std::erase_if(name, [](char c) { return c == '-'; });
  return name + "_" + ::testing::PrintToString(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(Presets, OtherFamilies,
                         ::testing::Combine(::testing::ValuesIn(kFamilies),
                                            ::testing::Values(Way::kMount, Way::kMaterialize)),
                         CaseName);

}  // namespace
}  // namespace shardfs::testing
