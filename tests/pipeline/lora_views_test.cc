// A cut of a merged weight is the merge of the cut: each layout's view of a checkpoint with an adapter, against its
// view of a copy of the checkpoint into which the adapter was merged before, file by file, whole and in random ranges.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "fuse/temporary_mount.h"
#include "pipeline/build_view.h"
#include "source/own_files.h"
#include "tools/checkpoint_writer.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string layout;
  std::vector<std::pair<std::string, std::string>> values;
};

class LoraViews : public ::testing::Test {
 protected:
  fs::path At(const std::string& name) const { return directory_.path() / name; }
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

  static tools::DeepSeekShape Shape() {
    tools::DeepSeekShape shape;
    shape.hidden = 32;
    shape.layers = 4;
    shape.heads = 4;
    shape.q_lora_rank = 24;
    shape.kv_lora_rank = 16;
    shape.qk_nope_head_dim = 16;
    shape.qk_rope_head_dim = 8;
    shape.v_head_dim = 12;
    shape.intermediate = 48;
    shape.moe_intermediate = 16;
    shape.experts = 4;
    shape.shared_experts = 1;
    shape.first_k_dense = 3;
    shape.vocab = 64;
    return shape;
  }

  void WriteBase(const std::string& name, tools::CheckpointKind kind) {
    tools::CheckpointOptions options;
    options.shape = Shape();
    options.quantisation.kind = kind;
    options.seed = 18;
    const auto written = tools::WriteCheckpoint(At(name), options);
    ASSERT_TRUE(written.ok()) << written.status();
  }

  std::string RandomFloats(std::uint64_t count) {
    std::string bytes(count * sizeof(float), '\0');
    for (std::uint64_t i = 0; i < count; ++i) {
      const float value = (static_cast<float>(Below(2001)) - 1000.0f) / 4096.0f;
      std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    }
    return bytes;
  }

  // Factors of random ranks for every matrix of the checkpoint, whose ranks the config gives by pattern.
  void WriteAdapter(const std::string& name, const Checkpoint& base) {
    std::vector<NewTensor> tensors;
    std::string ranks;
    for (const TensorSpec& spec : base.tensors().specs()) {
      constexpr std::string_view kEnd = ".weight";
      if (!spec.name.ends_with(kEnd) || spec.shape.size() != 2 || !IsFloat(spec.dtype)) continue;
      const std::string module(spec.name.substr(0, spec.name.size() - kEnd.size()));
      const std::uint64_t rank = 1 + Below(5);
      ranks += fmt::format("{}\"{}\": {}", ranks.empty() ? "" : ", ", module, rank);
      tensors.push_back({"base_model.model." + module + ".lora_A.weight", Dtype::kF32, {rank, spec.shape[1]}});
      tensors.push_back({"base_model.model." + module + ".lora_B.weight", Dtype::kF32, {spec.shape[0], rank}});
    }
    ASSERT_GT(tensors.size(), 20u);
    const SerializedHeader header = SerializeHeader(tensors).value();
    fs::create_directory(At(name));
    std::ofstream(At(name) / "adapter_model.safetensors", std::ios::binary)
        << header.bytes << RandomFloats((header.file_size - header.bytes.size()) / sizeof(float));
    std::ofstream(At(name) / "adapter_config.json")
        << R"({"peft_type": "LORA", "lora_alpha": 6, "rank_pattern": {)" << ranks << "}}";
  }

  // For two ranks: matrices are cut by rows or by columns in turn, vectors are on both.
  void WriteStrategy(const std::string& name, const Checkpoint& base) {
    std::string items;
    for (std::size_t i = 0; i < base.tensors().specs().size(); ++i) {
      const TensorSpec& spec = base.tensors().specs()[i];
      const bool is_matrix = spec.shape.size() == 2;
      items += fmt::format(R"({}"{}": {{"dev_matrix": [2], "tensor_map": {}, "opt_weight_shard_step": 0,
                               "opt_weight_shard_size": 0}})",
                           items.empty() ? "" : ", ", spec.name, !is_matrix ? "[-1]" : i % 2 == 0 ? "[0, -1]" : "[-1, 0]");
    }
    std::ofstream(At(name)) << R"({"parallel_strategy_item": {"op": {"stage": 0}}, "parallel_layout_item": {)" << items
                            << "}}";
  }

  Result<BuiltView> Build(const std::string& source, const Options& options, const Options& more = {}) const {
    ViewRequest request;
    request.source = At(source);
    request.layout = options.layout;
    for (const Options* const part : {&options, &more}) {
      for (const auto& [name, value] : part->values) {
        request.options.push_back({name, value, OptionOrigin::kCommandLine, OptionFlagOf(name)});
      }
    }
    const auto ignore = [](const std::string&) {};
    return BuildView(request, ignore, ignore);
  }

  static std::string BytesOf(const VirtualFile& file, std::uint64_t offset, std::uint64_t size) {
    std::string bytes(size, '\0');
    const Status status = file.ReadAt(offset, std::as_writable_bytes(std::span(bytes)));
    EXPECT_TRUE(status.ok()) << status;
    return bytes;
  }

  void Write(const BuiltView& built, const std::string& name) const {
    fs::create_directory(At(name));
    for (NodeId id = 1; id < built.view.tree->size(); ++id) {
      const VirtualNode& node = built.view.tree->node(id);
      ASSERT_FALSE(node.is_directory());
      std::ofstream(At(name) / node.name, std::ios::binary) << BytesOf(*node.file, 0, node.file->size());
    }
  }

  void ExpectSame(const BuiltView& merged_on_read, const BuiltView& merged_before) {
    const VirtualTree& tree = *merged_on_read.view.tree;
    ASSERT_EQ(tree.size(), merged_before.view.tree->size());
    for (NodeId id = 1; id < tree.size(); ++id) {
      ASSERT_EQ(tree.PathOf(id), merged_before.view.tree->PathOf(id));
      if (tree.node(id).is_directory()) continue;
      const VirtualFile& file = *tree.node(id).file;
      const VirtualFile& expected = *merged_before.view.tree->node(id).file;
      ASSERT_EQ(file.size(), expected.size()) << tree.PathOf(id);
      EXPECT_TRUE(BytesOf(file, 0, file.size()) == BytesOf(expected, 0, file.size())) << tree.PathOf(id);
      for (int i = 0; i < 5 && file.size() > 0; ++i) {
        const std::uint64_t offset = Below(file.size());
        const std::uint64_t size = 1 + Below(std::min<std::uint64_t>(file.size() - offset, 9'000));
        EXPECT_TRUE(BytesOf(file, offset, size) == BytesOf(expected, offset, size))
            << tree.PathOf(id) << " at " << offset;
      }
    }
  }

  // `before` are options of transforms that come before or behind the merge.
  void ExpectEachLayoutTheSame(const std::string& source, const std::string& merged, const Options& with_adapter,
                               const Options& behind = {}) {
    for (const Options& options : kLayouts) {
      SCOPED_TRACE(fmt::format("{} of {}", options.layout, source));
      Options on_read = with_adapter;
      on_read.values.insert(on_read.values.end(), behind.values.begin(), behind.values.end());
      const auto built = Build(source, options, on_read);
      const auto expected = Build(merged, options, behind);
      ASSERT_TRUE(built.ok()) << built.status();
      ASSERT_TRUE(expected.ok()) << expected.status();
      ExpectSame(*built, *expected);
    }
  }

  MountableDirectory directory_;
  const std::vector<Options> kLayouts = {
      {"huggingface", {{"max_shard_size", "20KB"}, {"order", "natural"}}},
      {"safetensors", {{"file_name", "all.safetensors"}}},
      {"ckpt", {{"file_name", "all.ckpt"}, {"chunk", "1KB"}}},
      {"deepseek-mp", {{"mp", "2"}}},
      {"deepseek-mp", {{"mp", "4"}}},
      {"mindie", {{"world_size", "4"}, {"tp", "4"}, {"moe_tp", "2"}, {"moe_ep", "2"}, {"fidelity", "loader"}}},
      {"mindie",
       {{"world_size", "4"}, {"tp", "2"}, {"dp", "2"}, {"moe_tp", "1"}, {"moe_ep", "4"}, {"fidelity", "loader"}}},
      {"rank-cut", {{"preset", "deepseek-v3"}, {"tp", "2"}, {"pp", "2"}, {"embed_tokens", "split"}}},
      {"rank-cut", {{"preset", "deepseek-v3"}, {"tp", "2"}, {"expert_parallel", "true"}}},
      {"sharded-state", {{"tp", "2"}}},
      {"sharded-state", {{"tp", "4"}, {"expert_parallel", "true"}, {"max_shard_size", "20KB"}}},
      {"sharded-state", {{"tp", "2"}, {"engine", "sglang"}, {"shared_experts_fusion", "true"}}},
      {"mindspore", {{"output_format", "safetensors"}}},
      {"mindspore", {{"dst_strategy", At("strategy.json")}, {"output_format", "safetensors"}}},
      {"mindspore-unified", {{"part_limit", "30KB"}}},
      {"mindspore-net", {{"dst_strategy", At("strategy.json")}}},
  };
  const Options kSourceFiles = {"huggingface", {{"files", "source"}}};

  std::mt19937_64 random_{18};
};

TEST_F(LoraViews, ACutOfTheMergedWeightIsTheMergeOfTheCut) {
  ASSERT_NO_FATAL_FAILURE(WriteBase("base", tools::CheckpointKind::kFloat));
  const auto base = Build("base", kSourceFiles);
  ASSERT_TRUE(base.ok()) << base.status();
  ASSERT_NO_FATAL_FAILURE(WriteAdapter("adapter", *base->checkpoint));
  WriteStrategy("strategy.json", *base->checkpoint);
  ASSERT_NO_FATAL_FAILURE(WriteAdapter("second", *base->checkpoint));
  const Options adapters = {"", {{"lora", At("adapter").string() + "," + At("second").string()}}};
  const auto merged = Build("base", kSourceFiles, adapters);
  ASSERT_TRUE(merged.ok()) << merged.status();
  ASSERT_NO_FATAL_FAILURE(Write(*merged, "merged"));
  ExpectEachLayoutTheSame("base", "merged", adapters);
  // The order of a .ckpt is the source's, which a copy of dequantised files does not keep: so only here.
  const Options slices = {"mindspore", {{"dst_strategy", At("strategy.json")}, {"output_format", "ckpt"}}};
  const auto on_read = Build("base", slices, adapters);
  const auto before = Build("merged", slices);
  ASSERT_TRUE(on_read.ok()) << on_read.status();
  ASSERT_TRUE(before.ok()) << before.status();
  ExpectSame(*on_read, *before);

  // One adapter on top of what the other has written is both, one after the other.
  const auto first = Build("base", kSourceFiles, {"", {{"lora", At("adapter")}}});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_NO_FATAL_FAILURE(Write(*first, "first"));
  const auto second = Build("first", kSourceFiles, {"", {{"lora", At("second")}}});
  ASSERT_TRUE(second.ok()) << second.status();
  ExpectSame(*merged, *second);
}

TEST_F(LoraViews, DequantizeComesBeforeAndSelectBehind) {
  ASSERT_NO_FATAL_FAILURE(WriteBase("fp8", tools::CheckpointKind::kFp8Block));
  const Options dequantize = {"", {{"dequantize", "bf16"}}};
  const auto plain = Build("fp8", kSourceFiles, dequantize);
  ASSERT_TRUE(plain.ok()) << plain.status();
  ASSERT_NO_FATAL_FAILURE(WriteAdapter("adapter", *plain->checkpoint));
  WriteStrategy("strategy.json", *plain->checkpoint);
  const auto refused = Build("fp8", kSourceFiles, {"", {{"lora", At("adapter")}}});
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr("add --dequantize bf16"));
  Options both = dequantize;
  both.values.emplace_back("lora", At("adapter"));
  ASSERT_NO_FATAL_FAILURE(Write(*plain, "bf16"));
  const auto merged = Build("bf16", kSourceFiles, {"", {{"lora", At("adapter")}}});
  ASSERT_TRUE(merged.ok()) << merged.status();
  ASSERT_NO_FATAL_FAILURE(Write(*merged, "merged"));
  ExpectEachLayoutTheSame("fp8", "merged", both);
  const Options first_layer = {"", {{"layers", "0"}}};
  const auto built = Build("fp8", kSourceFiles, {"", {both.values[0], both.values[1], {"layers", "0"}}});
  const auto expected = Build("merged", kSourceFiles, first_layer);
  ASSERT_TRUE(built.ok()) << built.status();
  ASSERT_TRUE(expected.ok()) << expected.status();
  ExpectSame(*built, *expected);
}

// mindformers' LoRA parameters inside ranks: each of base and factors cut by a layout of its own, over two ranks.
TEST_F(LoraViews, FactorsInRanksAreMergedAsThoseOfAFullCheckpoint) {
  const std::vector<NewTensor> tensors = {{"a.wq.mindpet_delta_lora_a", Dtype::kF32, {4, 6}},
                                          {"a.wq.mindpet_delta_lora_b", Dtype::kF32, {8, 4}},
                                          {"a.wq.weight", Dtype::kF32, {8, 6}},
                                          {"b.wo.lora_A.weight", Dtype::kF32, {2, 8}},
                                          {"b.wo.lora_B.weight", Dtype::kF32, {6, 2}},
                                          {"b.wo.weight", Dtype::kF32, {6, 8}},
                                          {"norm.weight", Dtype::kF32, {6}}};
  const SerializedHeader header = SerializeHeader(tensors).value();
  fs::create_directory(At("full"));
  std::ofstream(At("full") / "full.safetensors", std::ios::binary)
      << header.bytes << RandomFloats((header.file_size - header.bytes.size()) / sizeof(float));
  const auto full = Build("full", kSourceFiles);
  ASSERT_TRUE(full.ok()) << full.status();
  WriteStrategy("strategy.json", *full->checkpoint);
  const auto ranks = Build("full", {"mindspore", {{"dst_strategy", At("strategy.json")}}});
  ASSERT_TRUE(ranks.ok()) << ranks.status();
  const VirtualTree& tree = *ranks->view.tree;
  for (NodeId id = 1; id < tree.size(); ++id) {
    const fs::path path = At("ranks") / tree.PathOf(id);
    fs::create_directories(tree.node(id).is_directory() ? path : path.parent_path());
    if (tree.node(id).is_directory()) continue;
    std::ofstream(path, std::ios::binary) << BytesOf(*tree.node(id).file, 0, tree.node(id).file->size());
  }
  const Options scaling = {"", {{"lora_scaling", "0.5"}}};
  Options of_ranks = scaling;
  of_ranks.values.emplace_back("src_strategy", At("strategy.json"));
  for (const Options& options : {Options{"huggingface", {{"order", "natural"}}},
                                 Options{"mindspore-unified", {}},
                                 Options{"mindspore", {{"output_format", "safetensors"}}}}) {
    SCOPED_TRACE(options.layout);
    const auto expected = Build("full", options, scaling);
    const auto built = Build("ranks", options, of_ranks);
    ASSERT_TRUE(expected.ok()) << expected.status();
    ASSERT_TRUE(built.ok()) << built.status();
    ASSERT_EQ(built->checkpoint->tensors().specs().size(), 3u);
    ExpectSame(*built, *expected);
  }
}

// Behind lora alone the files keep their headers, whatever stands in them, so there is nothing to choose of metadata.
TEST_F(LoraViews, FilesKeepTheirHeaders) {
  fs::create_directory(At("base"));
  const std::string json =
      R"({  "b.weight" :{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"__metadata__":{"x":"y"},)"
      R"("a.weight":{"shape":[2],"data_offsets":[8,12],"dtype":"BF16"}})"
      "   ";
  const std::uint64_t length = json.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  file += json + "0123456789ab";
  std::ofstream(At("base") / "model.safetensors", std::ios::binary) << file;
  std::ofstream(At("base") / "other.safetensors", std::ios::binary) << SerializeHeader({}).value().bytes;
  fs::create_directory(At("adapter"));
  const SerializedHeader header = SerializeHeader({{"base_model.model.b.lora_A.weight", Dtype::kF32, {1, 2}},
                                                   {"base_model.model.b.lora_B.weight", Dtype::kF32, {2, 1}}})
                                      .value();
  std::ofstream(At("adapter") / "adapter_model.safetensors", std::ios::binary)
      << header.bytes << std::string(16, '\x40');
  std::ofstream(At("adapter") / "adapter_config.json") << R"({"peft_type": "LORA", "r": 1})";
  const Options lora = {"", {{"lora", At("adapter")}}};
  const auto built = Build("base", kSourceFiles, lora);
  ASSERT_TRUE(built.ok()) << built.status();
  const VirtualTree& tree = *built->view.tree;
  ASSERT_EQ(tree.file_count(), 2u) << "the adapter's files are not shown";
  EXPECT_EQ(CountOwnFiles(built->checkpoint->sources()), 2u);
  const VirtualNode* const node = tree.FindChild(kRootNode, "model.safetensors", nullptr);
  ASSERT_NE(node, nullptr);
  const std::string shown = BytesOf(*node->file, 0, node->file->size());
  ASSERT_EQ(shown.size(), file.size());
  EXPECT_EQ(shown.substr(0, 8 + length), file.substr(0, 8 + length));
  EXPECT_EQ(shown.substr(8 + length + 8), "89ab");
  EXPECT_NE(shown.substr(8 + length, 8), "01234567");
  ASSERT_EQ(node->file->tensors().size(), 2u);
  EXPECT_EQ(node->file->tensors()[1].name, "a.weight");
  const auto refused = Build("base", kSourceFiles, {"", {lora.values[0], {"metadata", "none"}}});
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr("metadata cannot be chosen"));
}

}  // namespace
}  // namespace shardfs::testing
