// shardfs explain: the bytes that it names are those of which the file is made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/verify_fixture.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kAttention = "model-attn-tp-001/model.safetensors";

std::vector<std::string> Unmounted(std::vector<std::string> more) {
  std::vector<std::string> arguments = GoldenArguments("explain", std::move(more));
  arguments.insert(arguments.begin() + 1, "--source");  // before the golden source
  return arguments;
}

json Explained(const std::vector<std::string>& arguments) {
  const ProgramResult result = RunShardfs(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return json::parse(result.out, nullptr, false);
}

TEST(ExplainTest, EveryCopiedByteIsThatOfTheSource) {
  const json explanation = Explained(Unmounted({"--json", kAttention}));
  const std::string shown = ReadFile(GoldenCase() + "/expected/" + kAttention);
  EXPECT_EQ(explanation["bytes"], shown.size());
  std::uint64_t at = 0;
  std::uint64_t copies = 0;
  std::uint64_t gathers = 0;
  for (const json& tensor : explanation["tensors"]) {
    EXPECT_EQ(tensor["begin"], at);
    for (const json& part : tensor["parts"]) {
      EXPECT_EQ(part["offset"], at);
      at += part["bytes"].get<std::uint64_t>();
      if (part["kind"] == "gather") ++gathers;
      if (part["kind"] != "copy") continue;
      ++copies;
      std::string bytes;
      for (const json& source : part["sources"]) {
        const std::string file = ReadFile(GoldenCase() + "/source/" + source["file"].get<std::string>());
        bytes += file.substr(source["offset"], source["bytes"]);
        EXPECT_TRUE(source.contains("tensor"));
      }
      EXPECT_EQ(bytes, shown.substr(part["offset"], part["bytes"])) << tensor["name"];
    }
    EXPECT_EQ(tensor["end"], at);
  }
  EXPECT_EQ(at, shown.size());
  EXPECT_GT(copies, 0u);
  EXPECT_GT(gathers, 0u);
}

TEST(ExplainTest, SaysWhereACutLies) {
  const ProgramResult result = RunShardfs(Unmounted({kAttention, "model.layers.0.self_attn.o_proj.weight"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("gather of 64 places 256 bytes apart of 128 bytes each"));
  EXPECT_THAT(result.out,
              HasSubstr("'model.layers.0.self_attn.o_proj.weight' BF16 [64, 128], axis 1: 64 to 127 of 128"));
}

TEST(ExplainTest, ARangeIsCutAtTensors) {
  const json explanation = Explained(Unmounted({"--json", "--range", "3890:16", kAttention}));
  ASSERT_EQ(explanation["tensors"].size(), 2u);
  EXPECT_TRUE(explanation["tensors"][0]["name"].is_null());
  EXPECT_EQ(explanation["tensors"][0]["parts"][0]["kind"], "text");
  EXPECT_EQ(explanation["tensors"][1]["parts"][0]["offset"], 3896);
  EXPECT_EQ(explanation["tensors"][1]["parts"][0]["bytes"], 10);
}

TEST(ExplainTest, NamesWhatComputes) {
  const std::string source = SHARDFS_TESTS_DIR "/golden/fp8/odd/source";
  const ProgramResult plan = RunShardfs({"plan", source, "--layout", "huggingface", "--dequantize", "bf16", "--json"});
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  bool computed = false;
  const json planned = json::parse(plan.out);
  for (const json& file : planned["entries"]) {
    const std::string path = file["path"];
    if (!path.ends_with(".safetensors")) continue;
    const json explanation =
        Explained({"explain", "--source", source, "--layout", "huggingface", "--dequantize", "bf16", "--json", path});
    for (const json& tensor : explanation["tensors"]) {
      for (const json& part : tensor["parts"]) {
        if (part["kind"] != "computed") continue;
        computed = true;
        EXPECT_THAT(part["operations"], ::testing::Contains("block scale"));
        EXPECT_GE(part["sources"].size(), 2u);  // the codes and their scales
      }
    }
    EXPECT_FALSE(explanation["transforms"].empty());
  }
  EXPECT_TRUE(computed);
}

TEST(ExplainTest, AMountedViewIsTheOneThatIsExplained) {
  SHARDFS_REQUIRE_FUSE();
  const MountableDirectory mount;
  // By a relative path, with an option of the environment that explain must not take for its own.
  const ProgramResult mounted = RunShardfs(GoldenArguments("mount", {mount.path().string()}));
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  const std::string file = (mount.path() / kAttention).string();
  json of_mount = Explained({"explain", file, "--json"});
  EXPECT_EQ(of_mount, Explained(Unmounted({"--json", kAttention})));
  const json status = json::parse(ReadFile(mount.path() / ".shardfs/status.json"));
  EXPECT_EQ(status["request"]["from"], "huggingface");
  EXPECT_EQ(RunShardfs({"explain", file, "--tp", "4"}).exit_code, 2);
  EXPECT_EQ(RunShardfs({"umount", mount.path().string()}).exit_code, 0);
}

TEST(ExplainTest, RefusesWhatIsNotThere) {
  const auto expect = [](const std::vector<std::string>& arguments, const std::string& message) {
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_EQ(result.exit_code, 2) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  expect(Unmounted({"none.safetensors"}), "has no file 'none.safetensors'");
  expect(Unmounted({"model-norm"}), "is a folder");
  expect(Unmounted({kAttention, "none"}), "has no tensor 'none'");
  expect(Unmounted({kAttention, "--range", "0:999999999"}), "reaches beyond");
  for (const char* range : {"5", "a:1", "0:0", "-1:4"}) {
    expect(Unmounted({kAttention, std::string("--range=") + range}), "takes OFFSET:BYTES");
  }
  expect(Unmounted({kAttention, "x", "--range", "0:1"}), "give one of them");
  expect({"explain", GoldenCase() + "/source/config.json"}, "lies in no mounted view");
}

}  // namespace
}  // namespace shardfs
