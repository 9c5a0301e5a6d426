// What the program prints and calls itself, held against texts that were kept: tests/end_to_end/snapshots/. A change of
// structure must leave them as they are; a change of behaviour writes them anew (SHARDFS_UPDATE_SNAPSHOTS=1) and shows
// the difference in its commit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_cases.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kSnapshots = fs::path(SHARDFS_TESTS_DIR) / "end_to_end" / "snapshots";

void ExpectSnapshot(const std::string& name, const std::string& text) {
  const fs::path path = kSnapshots / name;
  if (std::getenv("SHARDFS_UPDATE_SNAPSHOTS") != nullptr) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  EXPECT_EQ(text, fs::exists(path) ? ReadFile(path) : "") << path << "; SHARDFS_UPDATE_SNAPSHOTS=1 writes it anew";
}

// One line a member, and one an item of its arrays: differences are lines then.
std::string Lines(const Json& object) {
  std::string text;
  for (const auto& [key, value] : object.items()) {
    if (value.is_array()) {
      for (const Json& item : value) text += key + ": " + item.dump() + "\n";
    } else {
      text += key + ": " + value.dump() + "\n";
    }
  }
  return text;
}

// The names of all members, as paths: what a program that reads the status relies on.
void AddMembers(const Json& object, const std::string& prefix, std::string& text) {
  for (const auto& [key, value] : object.items()) {
    text += prefix + key + "\n";
    if (value.is_object()) AddMembers(value, prefix + key + ".", text);
  }
}

class HelpSnapshot : public ::testing::TestWithParam<const char*> {};

TEST_P(HelpSnapshot, IsAsItWas) {
  std::vector<std::string> arguments = {"--help"};
  const std::string command = GetParam();
  if (command != "shardfs") arguments.insert(arguments.begin(), command);
  const ProgramResult result = RunShardfs(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSnapshot("help/" + command + ".txt", result.out);
}

INSTANTIATE_TEST_SUITE_P(Commands, HelpSnapshot,
                         ::testing::Values("shardfs", "mount", "umount", "materialize", "plan", "verify", "status",
                                           "layouts", "doctor", "check", "explain", "warm", "check-mindie", "check-sglang", "check-vllm"),
                         [](const auto& test) {
                           return std::regex_replace(std::string(test.param), std::regex("-"), "_");
                         });

class PlanSnapshot : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(PlanSnapshot, IsAsItWas) {
  const GoldenCase& golden = GetParam();
  std::vector<std::string> arguments = {"plan", golden.source};
  for (const std::string& argument : LayoutArguments(golden)) arguments.push_back(argument);
  arguments.emplace_back("--json");
  const ProgramResult result = RunShardfs(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  Json plan = Json::parse(result.out);
  EXPECT_EQ(plan["source"], fs::canonical(golden.source).string());
  plan["source"] = "SOURCE";
  const auto fidelity = golden.options.layout_options.find("fidelity");
  const bool loader = fidelity != golden.options.layout_options.end() && fidelity->second == "loader";
  ExpectSnapshot("plan/" + golden.name + (loader ? ".loader" : "") + ".txt", Lines(plan));
}

// Only the repository's own: SHARDFS_GOLDEN_DIR adds others, which have no snapshots.
std::vector<GoldenCase> OwnCases(std::vector<GoldenCase> cases) {
  std::erase_if(cases, [](const GoldenCase& golden) {
    return !fs::exists(fs::path(SHARDFS_TESTS_DIR) / "golden" / "mindie" / golden.name);
  });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Sharder, PlanSnapshot, ::testing::ValuesIn(OwnCases(ShownSharderCases())),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Loader, PlanSnapshot, ::testing::ValuesIn(OwnCases(ShownLoaderCases())),
                         [](const auto& test) { return test.param.name; });

TEST(StatusSnapshot, HasTheSameMembers) {
  SHARDFS_REQUIRE_FUSE();
  const GoldenCase golden = FindGoldenCase("bf16_dp2tp2_mtp2ep2");
  const MountedProgram mount(golden.source, LayoutArguments(golden));
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  const Json status = Json::parse(ReadFile(fs::path(mount.path()) / ".shardfs" / "status.json"));
  std::string members;
  AddMembers(status, "", members);
  ExpectSnapshot("status/members.txt", members);
  Json said = status;
  for (const char* owner : {"uid", "gid"}) said["options"].erase(owner);
  ExpectSnapshot("status/view.txt", "layout: " + said["layout"].dump() + "\nsummary: " + said["summary"].dump() + "\n" +
                                        Lines(said["parallel"]) + Lines(said["options"]));
}

// Names and times of the source are in the digests of the identity, so these differ between checkouts.
TEST(IdentitySnapshot, HasTheSameFields) {
  const GoldenCase golden = FindGoldenCase("bf16_dp2tp2_mtp2ep2");
  const MountableDirectory scratch;
  const fs::path destination = scratch.path() / "out";
  std::vector<std::string> arguments = {"materialize", golden.source, destination};
  for (const std::string& argument : LayoutArguments(golden)) arguments.push_back(argument);
  const ProgramResult result = RunShardfs(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json manifest = Json::parse(ReadFile(destination / ".shardfs-manifest.json"));
  ExpectSnapshot("identity.txt",
                 std::regex_replace(Lines(manifest["run"]), std::regex("digest [0-9a-f]{32}"), "digest DIGEST"));
}

}  // namespace
}  // namespace shardfs::testing
