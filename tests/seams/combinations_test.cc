// A reader, a transform and a layout that a stranger adds, with those of the program, in every order in which they can
// stand: planned, materialized, verified and mounted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "seams/toy_checkpoint.h"
#include "tools/read_text.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

struct Combination {
  std::string name;
  bool from_toy;  // the source; else the one of safetensors files
  bool to_toy;    // the layout; else huggingface
  Words options;
  std::vector<std::size_t> tensors;  // those that are shown, by index in ToyTensors()
  float sign = 1;
};

std::ostream& operator<<(std::ostream& out, const Combination& combination) { return out << combination.name; }

std::vector<Combination> Combinations() {
  const Words drop = {"--drop", "lm_head.*"};
  const Words both = {"--drop", "lm_head.*", "--toy-negate"};
  std::vector<Combination> all;
  for (const bool from_toy : {true, false}) {
    for (const bool to_toy : {true, false}) {
      const std::string name = std::string(from_toy ? "Toy" : "Huggingface") + (to_toy ? "ToToy" : "ToHuggingface");
      all.push_back({name, from_toy, to_toy, {}, {0, 1, 2, 3, 4}});
      all.push_back({name + "Selected", from_toy, to_toy, drop, {0, 1, 2, 4}});
      all.push_back({name + "Negated", from_toy, to_toy, {"-O", "toy_negate=true"}, {0, 1, 2, 3, 4}, -1});
      all.push_back({name + "SelectedAndNegated", from_toy, to_toy, both, {0, 1, 2, 4}, -1});
    }
  }
  return all;
}

// The tensors of a safetensors file, each with its bytes.
std::map<std::string, std::string> TensorsOf(const std::string& file) {
  const auto bytes = std::as_bytes(std::span(file));
  const auto extent = HeaderExtent(bytes.first(std::min<std::size_t>(8, bytes.size())), bytes.size());
  EXPECT_TRUE(extent.ok()) << extent.status();
  if (!extent.ok()) return {};
  const auto header = ParseHeader(bytes.first(*extent), bytes.size(), "file");
  EXPECT_TRUE(header.ok()) << header.status();
  std::map<std::string, std::string> tensors;
  if (!header.ok()) return tensors;
  for (const HeaderTensor& tensor : header->tensors) {
    tensors[tensor.name] = file.substr(header->data_offset + tensor.begin, tensor.end - tensor.begin);
  }
  return tensors;
}

class ToyCombination : public ::testing::TestWithParam<Combination> {
 protected:
  Words Arguments(const Words& command, const Words& more = {}) const {
    Words arguments = command;
    const Combination& combination = GetParam();
    arguments.insert(arguments.begin() + 1, combination.from_toy ? checkpoint_.toy() : checkpoint_.huggingface());
    arguments.insert(arguments.end(), {"--layout", combination.to_toy ? "toy" : "huggingface"});
    arguments.insert(arguments.end(), combination.options.begin(), combination.options.end());
    if (combination.to_toy) arguments.insert(arguments.end(), {"--toy-order", "reverse", "--toy-ranks", "2"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  void ExpectShown(const fs::path& directory) const {
    const Combination& combination = GetParam();
    std::map<std::string, std::string> shown;
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.path().extension() != ".safetensors") continue;
      ++files;
      shown.merge(TensorsOf(ReadTextOf(entry.path())));
    }
    ASSERT_EQ(shown.size(), combination.tensors.size());
    for (const std::size_t i : combination.tensors) {
      EXPECT_EQ(shown[ToyTensors()[i].name], ToyBytes(i, combination.sign)) << ToyTensors()[i].name;
    }
    EXPECT_EQ(files, combination.to_toy ? combination.tensors.size() : 1);
    EXPECT_EQ(ReadTextOf(directory / "tokenizer.json"), "{}\n");
    EXPECT_FALSE(fs::exists(directory / "model.toy"));
    EXPECT_FALSE(fs::exists(directory / "tensor-0.f32"));
    if (!combination.to_toy) return;
    // The last tensor of either source is dealt first.
    EXPECT_TRUE(fs::exists(directory / "rank0/model.embed_tokens.weight.safetensors"));
  }

  ToyCheckpoint checkpoint_;
};

TEST_P(ToyCombination, IsPlanned) {
  const Combination& combination = GetParam();
  const std::string page = checkpoint_.Scratch("page.html");
  const ProgramResult text = RunShardfs(Arguments({"plan"}, {"--html", page}));
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out, HasSubstr(combination.to_toy ? "toy layout for 2 ranks" : "huggingface layout of toy"));
  EXPECT_THAT(ReadTextOf(page), HasSubstr(combination.to_toy ? "toy layout for 2 ranks" : "huggingface layout of toy"));
  const ProgramResult json = RunShardfs(Arguments({"plan"}, {"--json"}));
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const auto plan = nlohmann::json::parse(json.out, nullptr, false);
  ASSERT_TRUE(plan.is_object()) << json.out;
  EXPECT_EQ(plan["world_size"], combination.to_toy ? 2 : 1);
  EXPECT_EQ(plan["source_tensors"], ToyTensors().size());
  if (combination.tensors.size() == ToyTensors().size()) return;
  EXPECT_THAT(json.out, HasSubstr("drop leaves it out"));
}

TEST_P(ToyCombination, IsMaterializedAndVerified) {
  const std::string out = checkpoint_.Scratch("out");
  const ProgramResult written = RunShardfs(Arguments({"materialize", out}));
  ASSERT_EQ(written.exit_code, 0) << written.err;
  ExpectShown(out);
  const ProgramResult again = RunShardfs(Arguments({"materialize", out}));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  const ProgramResult verified = RunShardfs(Arguments({"verify", out}));
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  const ProgramResult manifest = RunShardfs({"verify", out});
  EXPECT_EQ(manifest.exit_code, 0) << manifest.out << manifest.err;
  for (const auto& entry : fs::recursive_directory_iterator(out)) {
    if (entry.path().extension() != ".safetensors") continue;
    fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end);
    file << 'x';
    break;
  }
  const ProgramResult differs = RunShardfs(Arguments({"verify", out}));
  EXPECT_EQ(differs.exit_code, 4) << differs.out << differs.err;
}

TEST_P(ToyCombination, IsMounted) {
  SHARDFS_REQUIRE_FUSE();
  const std::string point = checkpoint_.Scratch("mount");
  fs::create_directory(point);
  const ProgramResult mounted = RunShardfs(Arguments({"mount", point}));
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  ExpectShown(point);
  const ProgramResult status = RunShardfs({"status", point, "--json"});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  const auto answer = nlohmann::json::parse(status.out, nullptr, false);
  ASSERT_TRUE(answer.is_object()) << status.out;
  EXPECT_EQ(answer["health"], "healthy");
  EXPECT_THAT(status.out, HasSubstr(GetParam().to_toy ? "\"toy_order\"" : "\"max_shard_size\""));
  const ProgramResult verified = RunShardfs(Arguments({"verify", point}));
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Seams, ToyCombination, ::testing::ValuesIn(Combinations()),
                         [](const auto& test) { return test.param.name; });

class ToySource : public ::testing::Test {
 protected:
  ProgramResult Plan(const Words& options) const {
    Words arguments = {"plan", checkpoint_.toy(), "--layout", "toy"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return RunShardfs(arguments);
  }
  ToyCheckpoint checkpoint_;
};

TEST_F(ToySource, IsRecognisedByNamesAndCanBeNamed) {
  EXPECT_EQ(Plan({}).exit_code, 0);
  EXPECT_EQ(Plan({"--from", "toy"}).exit_code, 0);
  fs::rename(checkpoint_.toy() / "model.toy", checkpoint_.toy() / "tensors.txt");
  EXPECT_EQ(Plan({"--from", "toy", "--toy-index", "tensors.txt"}).exit_code, 0);
  const ProgramResult unnamed = Plan({"--from", "toy"});
  EXPECT_EQ(unnamed.exit_code, 3);
  EXPECT_THAT(unnamed.err, HasSubstr("has no 'model.toy', the index of a toy checkpoint"));
  const ProgramResult unknown = Plan({"--from", "tyo"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("there is no reader 'tyo'; there is huggingface, ckpt, mindspore, mindie, toy"));
}

TEST_F(ToySource, ADamagedOneIsRefusedByItsReader) {
  fs::resize_file(checkpoint_.toy() / "tensor-3.f32", 44);
  const ProgramResult result = Plan({});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("line 4 of 'model.toy': 4x3 is 12 elements, and 'tensor-3.f32' has 44 bytes"));
}

TEST_F(ToySource, HasNoSafetensorsFilesToShowAsTheyAre) {
  for (const Words& more : std::vector<Words>{{}, {"--drop", "lm_head.*"}}) {
    Words arguments = {"plan", checkpoint_.toy(), "--layout", "huggingface", "--files", "source"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.out;
    EXPECT_THAT(result.err, HasSubstr("model.norm.weight is stored in 'tensor-0.f32'"));
  }
}

TEST_F(ToySource, HasNoDefaultLayoutAndThoseThatThereAreAreListed) {
  const ProgramResult result = RunShardfs({"plan", checkpoint_.toy()});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--layout: mindie, huggingface, deepseek-mp, "), HasSubstr(", toy")));
}

}  // namespace
}  // namespace shardfs::testing
