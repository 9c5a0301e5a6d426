// The evaluator against what the reference wrote: every byte of every golden case.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "evaluator/mindie_evaluator.h"
#include "evaluator/sorted_json.h"

namespace shardfs::evaluator {
namespace {
namespace fs = std::filesystem;

struct Case {
  std::string name;
  fs::path source;
  fs::path expected;
  Fidelity fidelity = Fidelity::kSharder;
};

void PrintTo(const Case& golden, std::ostream* out) { *out << golden.name; }

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

std::vector<Case> Cases() {
  std::vector<fs::path> roots = {fs::path(SHARDFS_TESTS_DIR) / "golden"};
  if (const char* more = std::getenv("SHARDFS_GOLDEN_DIR")) roots.emplace_back(more);
  std::map<std::string, Case> cases;
  for (const fs::path& root : roots) {
    if (!fs::exists(root / "mindie")) continue;
    for (const auto& entry : fs::directory_iterator(root / "mindie")) {
      const std::string name = entry.path().filename();
      cases["sharder_" + name] = {"sharder_" + name, entry.path() / "source", entry.path() / "expected"};
      const fs::path loader = root / "mindie-loader" / name / "expected";
      if (!fs::exists(loader)) continue;
      cases["loader_" + name] = {"loader_" + name, entry.path() / "source", loader, Fidelity::kLoader};
    }
  }
  std::vector<Case> list;
  for (auto& [name, golden] : cases) list.push_back(golden);
  return list;
}

JsonValue CaseJson(const Case& golden) {
  return ParseJson(ReadFile(golden.source.parent_path() / "case.json"), "case.json").value();
}

Options OptionsOf(const Case& golden) {
  const JsonValue json = CaseJson(golden);
  Options options;
  options.fidelity = golden.fidelity;
  const std::map<std::string, std::int64_t*> sizes = {
      {"world", &options.world},   {"dp", &options.dp}, {"tp", &options.tp}, {"moe_tp", &options.moe_tp},
      {"moe_ep", &options.moe_ep}, {"sp", &options.sp}, {"cp", &options.cp}};
  for (const auto& [key, value] : json.Find("parallel")->members()) *sizes.at(key) = value.AsInt64().value();
  options.nodes = json.Find("nodes")->AsInt64().value();
  options.mtp = json.Find("mtp")->AsInt64().value() != 0;
  const std::string max_shard(*json.Find("max_shard")->AsString());
  options.max_shard_bytes = std::stoull(max_shard) * (max_shard.ends_with("GB") ? 1'000'000'000 : 1'000);
  const JsonValue* up = json.Find("env")->Find("DP_PARTITION_UP_ENABLE");
  options.dp_partition_up = up != nullptr && up->text() == "1";
  for (const char* group : {"llm_conf", "llm_par"}) {
    for (const auto& [key, value] : json.Find(group)->members()) {
      const std::string name = key.substr(key.rfind('.') + 1);
      if (name == "ep_level") options.ep_level = value.AsInt64().value();
      if (name == "enable_gating_dp") options.enable_gating_dp = value.AsBool().value();
      if (name == "enable_shared_expert_dp") options.enable_shared_expert_dp = value.AsBool().value();
      if (name == "dense_mlp_local_tp") options.dense_mlp_local_tp = value.AsInt64().value();
    }
  }
  return options;
}

// Cases in which the reference loses data.
bool LosesData(const Case& golden) {
  const JsonValue json = CaseJson(golden);
  const JsonValue* note = json.Find("note");
  return note != nullptr && note->text().starts_with("QUIRK");
}

class EvaluatorGoldenTest : public ::testing::TestWithParam<Case> {};

TEST_P(EvaluatorGoldenTest, GivesTheReferencesBytes) {
  const Case& golden = GetParam();
  if (golden.fidelity == Fidelity::kSharder && LosesData(golden)) {
    EXPECT_THROW(Evaluate(golden.source, OptionsOf(golden)), Refused);
    return;
  }
  Directory directory = Evaluate(golden.source, OptionsOf(golden));
  directory.files["model_sharded_metadata.json"];
  for (const auto& [path, bytes] : directory.files) {
    ASSERT_TRUE(fs::is_regular_file(golden.expected / path)) << path << " is not in the reference's directory";
    if (path == "model_sharded_metadata.json") continue;
    EXPECT_TRUE(ReadFile(golden.expected / path) == bytes) << path << " differs";
  }
  for (const auto& entry : fs::recursive_directory_iterator(golden.expected)) {
    const std::string path = fs::relative(entry.path(), golden.expected);
    const bool known = entry.is_directory() ? directory.folders.contains(path) : directory.files.contains(path);
    EXPECT_TRUE(known) << path << " is missing";
  }
  const std::string metadata = ReadFile(golden.expected / "model_sharded_metadata.json");
  EXPECT_EQ(Sorted(ParseJson(metadata, "metadata").value()), Sorted(directory.metadata));
}

INSTANTIATE_TEST_SUITE_P(All, EvaluatorGoldenTest, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace shardfs::evaluator
