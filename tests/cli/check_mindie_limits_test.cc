// Every row of the table of what MindIE refuses of a configuration (spec/mindie-weight-sharder.md, section 8), both
// ways, through check-mindie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/mindie_files.h"
#include "cli/run_shardfs.h"
#include "cli/verify_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

// Where a key of the table stands.
enum class Place { kTop, kQuantization, kRope };

struct Row {
  Place place;
  const char* key;
  std::vector<json> accepted;
  std::vector<json> refused;
};

const std::vector<Row>& Table() {
  static const std::vector<Row> table = {
      {Place::kTop, "max_position_embeddings", {1, 163840, nullptr}, {0, 0.0, false}},
      {Place::kTop, "vocab_size", {160}, {0, 0.0, false}},
      {Place::kQuantization, "group_size", {0, 64, 128, 256, 64.0, nullptr}, {-1, 32, 1, 512, 64.5, "64", true}},
      {Place::kTop,
       "quantize",
       {nullptr, "w8a8", "w8a8s", "w8a8sc", "w8a16", "w4a16", "w8a8_dynamic", "w8a8_pdmix", "w4a8_dynamic", "w8a8_mix",
        "w16a16s", "w16a16sc"},
       {"w8a8_static", "W8A8", "", "float", "fp8", 8, true}},
      {Place::kQuantization, "kv_quant_type", {nullptr, "C8"}, {"c8", "C4", "", 8, false}},
      {Place::kQuantization, "reduce_quant_type", {nullptr, "per_channel"}, {"per_group", "", 1}},
      {Place::kQuantization, "fa_quant_type", {nullptr, "FAQuant", "FAKQuant"}, {"FAVQuant", "faquant", "", 1}},
      {Place::kRope, "type", {nullptr, "linear", "dynamic", "yarn", "llama3", "su", "longrope"}, {"default", "", 1}},
      {Place::kRope, "rope_type", {nullptr, "dynamic", "yarn", "llama3"}, {"linear", "default", "su", "longrope", ""}},
      {Place::kRope, "factor", {nullptr, -65504, 65504, 0.5, 40}, {-65505, 65505, 65504.5, "40"}},
      {Place::kRope,
       "long_factor",
       {nullptr, json::array(), json::array({-65504, 65504}), json::array({1.5})},
       {json::array({1, 65505}), json::array({-65504.5}), json::array({"1"}), 1, "1"}},
      {Place::kRope,
       "short_factor",
       {nullptr, json::array(), json::array({-65504, 65504})},
       {json::array({1, 65505}), json::array({-65505}), json::array({nullptr}), 1}},
      {Place::kRope, "low_freq_factor", {nullptr, 1, 4, 2.5}, {0, 0.99, 4.01, 5, "1"}},
      {Place::kRope, "high_freq_factor", {nullptr, 1, 4}, {0.5, 5, -1, "4"}},
      {Place::kRope, "original_max_position_embeddings", {nullptr, 1, 2147483647}, {0, 0.5, 2147483648}},
      {Place::kRope, "rope_theta", {nullptr, 1, 10000, 2147483647}, {0, 0.5, 2147483648, "10000"}},
      {Place::kRope, "attention_factor", {nullptr, 1, 2147483647}, {0, 0.9, -1, 2147483648}},
      {Place::kRope, "beta_fast", {nullptr, 1, 32, 2147483647}, {0, 0.5, 2147483648}},
      {Place::kRope, "beta_slow", {nullptr, 1, 2147483647}, {0, 0.99, 2147483648, json::array()}},
      {Place::kTop, "num_experts_per_tok", {nullptr, 1, 16}, {0, 17, 257, 1000, "4"}},
      {Place::kTop, "n_shared_experts", {nullptr, 0, 1, 256}, {-1, 257, "1"}},
      {Place::kTop, "first_k_dense_replace", {0, 3, 5}, {-1, 6, 62, "3"}},
      {Place::kTop, "q_lora_rank", {nullptr, 1, 1536}, {0, -1, 1537}},
      {Place::kTop, "qk_nope_head_dim", {1, 128}, {0, 129}},
      {Place::kTop, "qk_rope_head_dim", {1, 64}, {0, 65}},
      {Place::kTop, "topk_method", {"greedy", "group_limited_greedy", "noaux_tc"}, {"none", "", "Greedy", 1}},
      {Place::kTop, "top_k", {0, -1, 1, 160}, {161, 1000, nullptr, "20"}},
  };
  return table;
}

std::string FullName(const Row& row) {
  switch (row.place) {
    case Place::kQuantization:
      return std::string("quantization_config.") + row.key;
    case Place::kRope:
      return std::string("rope_scaling.") + row.key;
    default:
      return row.key;
  }
}

class CheckMindieLimitsTest : public VerifyFixture {
 protected:
  CheckMindieLimitsTest() : server_(root_ / "server.json") {
    WriteFile(server_, MindieServerJson(out_, {{"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}}).dump());
    config_ = json::parse(Read("config.json"));
    // Greedy routing of one group, so that every topk_method fits; a generation_config.json would hide top_k.
    config_["n_group"] = 1;
    fs::remove(At("generation_config.json"));
    config_["top_k"] = 20;
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(At(name));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  ProgramResult Check(const json& config) {
    WriteFile(At("config.json"), config.dump());
    return RunShardfs({"check-mindie", server_, out_, "--uid", "0"});
  }

  json With(const Row& row, const json& value) const {
    json config = config_;
    json& object = row.place == Place::kQuantization ? config["quantization_config"]
                   : row.place == Place::kRope       ? config["rope_scaling"]
                                                     : config;
    object[row.key] = value;
    return config;
  }

  // How many lines say that a key is wrong, by the line's beginning.
  static int WrongLines(const ProgramResult& result, const std::string& key) {
    int count = 0;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) count += line.starts_with("WRONG   " + key + ": ") ? 1 : 0;
    return count;
  }

  const std::string server_;
  json config_;
};

TEST_F(CheckMindieLimitsTest, TheDirectoryItselfIsTaken) {
  const ProgramResult result = Check(config_);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("ok      model configuration"));
}

TEST_F(CheckMindieLimitsTest, EveryRowOfTheTable) {
  for (const Row& row : Table()) {
    const std::string name = FullName(row);
    for (const json& value : row.accepted) {
      const ProgramResult result = Check(With(row, value));
      EXPECT_EQ(WrongLines(result, name), 0) << name << " " << value << "\n" << result.out << result.err;
    }
    for (const json& value : row.refused) {
      const ProgramResult result = Check(With(row, value));
      EXPECT_EQ(result.exit_code, 1) << name << " " << value;
      EXPECT_EQ(WrongLines(result, name), 1) << name << " " << value << "\n" << result.out << result.err;
      EXPECT_EQ(WrongLines(result, "config.json"), 0) << "said once\n" << result.out;
    }
  }
}

TEST_F(CheckMindieLimitsTest, GenerationConfigGoesOnTop) {
  for (const Row& row : Table()) {
    if (row.place != Place::kTop || std::string(row.key) == "quantize") continue;
    WriteFile(At("generation_config.json"), json{{row.key, row.refused.front()}}.dump());
    const ProgramResult refused = Check(config_);
    EXPECT_EQ(WrongLines(refused, row.key), 1) << row.key << "\n" << refused.out;
    EXPECT_THAT(refused.out, HasSubstr("in generation_config.json, and MindIE takes")) << row.key;
    WriteFile(At("generation_config.json"), json{{row.key, row.accepted.back()}}.dump());
    const ProgramResult accepted = Check(With(row, row.refused.front()));
    EXPECT_EQ(WrongLines(accepted, row.key), 0) << row.key << "\n" << accepted.out;
  }
  WriteFile(At("generation_config.json"), "{");
  const ProgramResult broken = Check(config_);
  EXPECT_EQ(WrongLines(broken, "generation_config.json"), 1) << broken.out;
}

TEST_F(CheckMindieLimitsTest, TheDescriptionGoesOverQuantizationConfigButForFaQuantType) {
  for (const Row& row : Table()) {
    if (row.place != Place::kQuantization) continue;
    const bool config_wins = std::string(row.key) == "fa_quant_type";
    WriteFile(At("quant_model_description.json"), json{{row.key, row.refused.front()}}.dump());
    EXPECT_EQ(WrongLines(Check(config_), FullName(row)), 1) << row.key;
    EXPECT_EQ(WrongLines(Check(With(row, row.accepted.back())), FullName(row)), config_wins ? 0 : 1) << row.key;
    WriteFile(At("quant_model_description.json"), json{{row.key, row.accepted.back()}}.dump());
    EXPECT_EQ(WrongLines(Check(With(row, row.refused.front())), FullName(row)), config_wins ? 1 : 0) << row.key;
  }
}

TEST_F(CheckMindieLimitsTest, ADescribedKindIsHeldAgainstTheTableToo) {
  WriteFile(At("quant_model_description.json"), json{{"model_quant_type", "W8A8_STATIC"}}.dump());
  EXPECT_EQ(WrongLines(Check(config_), "quantize"), 1);
  WriteFile(At("quant_model_description.json"), json{{"model_quant_type", "W8A8_DYNAMIC"}}.dump());
  EXPECT_EQ(WrongLines(Check(config_), "quantize"), 0);
}

TEST_F(CheckMindieLimitsTest, RopeScalingIsRequired) {
  json config = config_;
  config.erase("rope_scaling");
  EXPECT_EQ(WrongLines(Check(config), "rope_scaling"), 1);
  config["rope_scaling"] = nullptr;
  EXPECT_EQ(WrongLines(Check(config), "rope_scaling"), 1);
  config["rope_scaling"] = "yarn";
  EXPECT_EQ(WrongLines(Check(config), "rope_scaling"), 1);
  config["rope_scaling"] = json::object();
  EXPECT_EQ(WrongLines(Check(config), "rope_scaling"), 0);
}

TEST_F(CheckMindieLimitsTest, GreedyRoutingOfGroups) {
  json config = config_;
  config["topk_method"] = "greedy";
  const auto wrong = [&](const json& groups, const json& picked) {
    config["n_group"] = groups;
    config["topk_group"] = picked;
    return WrongLines(Check(config), "topk_group");
  };
  EXPECT_EQ(wrong(1, 4), 0);
  EXPECT_EQ(wrong(4, 4), 0);
  EXPECT_EQ(wrong(4, 2), 1);
  config["topk_method"] = "noaux_tc";
  EXPECT_EQ(wrong(4, 2), 0);
}

TEST_F(CheckMindieLimitsTest, AnAbsentTopKCountsAsAThousand) {
  json config = config_;
  config.erase("top_k");
  const ProgramResult result = Check(config);
  EXPECT_EQ(WrongLines(result, "top_k"), 1) << result.out;
  EXPECT_THAT(result.out, HasSubstr("is absent, which counts as 1000"));
}

TEST_F(CheckMindieLimitsTest, TheLastLineCountsWhatIsWrong) {
  const auto last = [](const ProgramResult& result) {
    const std::string text = result.out.substr(0, result.out.size() - 1);
    return text.substr(text.rfind('\n') + 1);
  };
  EXPECT_THAT(last(Check(config_)), HasSubstr("Nothing that was checked is wrong"));
  json config = config_;
  config["quantization_config"]["group_size"] = -1;
  EXPECT_THAT(last(Check(config)), ::testing::StartsWith("1 thing is wrong: "));
  config["top_k"] = 1000;
  EXPECT_THAT(last(Check(config)), ::testing::StartsWith("2 things are wrong: "));
}

TEST_F(CheckMindieLimitsTest, WhatIsShownWarnsOfTheSame) {
  const fs::path source = root_ / "source";
  fs::copy(GoldenCase() + "/source", source, fs::copy_options::recursive);
  fs::permissions(source / "config.json", fs::perms::owner_write, fs::perm_options::add);
  json config = config_;
  config["quantization_config"]["group_size"] = -1;
  WriteFile(source / "config.json", config.dump());
  const std::string warning =
      "MindIE will refuse this model: \"quantization_config.group_size\" is -1 in config.json, and MindIE takes 0, 64, "
      "128";
  const std::vector<std::string> sizes = {"--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2"};
  for (std::vector<std::string> arguments : {std::vector<std::string>{"plan", source},
                                             {"materialize", source, root_ / "copy", "--progress", "none"},
                                             {"doctor", source}}) {
    const bool is_doctor = arguments.front() == "doctor";
    if (!is_doctor) arguments.insert(arguments.end(), sizes.begin(), sizes.end());
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_TRUE(is_doctor || result.exit_code == 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr(warning)) << arguments.front();
  }
}

TEST_F(CheckMindieLimitsTest, TheBackendMustBeTheOneThatReadsShardedDirectories) {
  const auto check = [&](const json& backend) {
    WriteFile(
        server_,
        MindieServerJson(out_, {{"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}, {"backendType", backend}}).dump());
    return Check(config_);
  };
  EXPECT_EQ(check("atb").exit_code, 0);
  for (const char* backend : {"torch", "ms", "ATB", ""}) {
    const ProgramResult result = check(backend);
    EXPECT_EQ(result.exit_code, 1) << backend;
    EXPECT_EQ(WrongLines(result, "backendType"), 1) << result.out;
    const ProgramResult plan = RunShardfs({"plan", GoldenCase() + "/source", "--mindie-config", server_});
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    EXPECT_THAT(plan.err, HasSubstr("only MindIE's backend atb reads sharded directories"));
  }
  EXPECT_EQ(check(1).exit_code, 2);
}

}  // namespace
}  // namespace shardfs
