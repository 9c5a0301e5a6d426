// A MindIE directory as SOURCE, by the program: FP8 there and back, what is said first, and copies that differ.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "end_to_end/golden_view_case.h"
#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

ProgramResult RunWith(Words arguments, const Words& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunShardfs(std::move(arguments));
}

GoldenViewCase ThenMindie() {
  for (GoldenViewCase& golden : GoldenViewCases("fp8")) {
    if (golden.name == "fp8_then_mindie_a") return std::move(golden);
  }
  return {};
}

// What a MindIE directory holds otherwise than the checkpoint that it was made from.
bool IsException(const std::string& name, const HeaderTensor& original) {
  if (name.ends_with(".e_score_correction_bias")) return true;  // shifted and rounded
  if (name.ends_with(".embed_tokens.weight") && name != "model.embed_tokens.weight") return true;  // MTP: a copy
  if (name.find(".shared_head.head.") != std::string::npos) return true;                           // MTP: a copy
  return original.dtype == Dtype::kF32;  // rounded to the model's dtype
}

TEST(MindieSource, Fp8AsBf16CutAndMergedIsFp8AsBf16) {
  const GoldenViewCase golden = ThenMindie();
  ASSERT_FALSE(golden.options.empty());
  const MountableDirectory scratch;
  const std::string cut = scratch.path() / "cut";
  const std::string merged = scratch.path() / "merged";
  const std::string direct = scratch.path() / "direct";
  const ProgramResult first = RunWith({"materialize", golden.source, cut}, golden.options);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const ProgramResult second = RunShardfs({"materialize", cut, merged, "--layout", "huggingface"});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  const ProgramResult third =
      RunShardfs({"materialize", golden.source, direct, "--layout", "huggingface", "--dequantize", "bf16"});
  ASSERT_EQ(third.exit_code, 0) << third.err;
  const auto there_and_back = TensorsOfFolder(merged);
  std::size_t compared = 0;
  for (const auto& [name, place] : TensorsOfFolder(direct)) {
    ASSERT_TRUE(there_and_back.contains(name)) << name;
    if (IsException(name, place.tensor)) continue;
    ++compared;
    EXPECT_EQ(there_and_back.at(name).tensor.shape, place.tensor.shape) << name;
    EXPECT_EQ(there_and_back.at(name).tensor.dtype, place.tensor.dtype) << name;
    EXPECT_TRUE(ContentOf(there_and_back.at(name)) == ContentOf(place)) << name;
  }
  EXPECT_GT(compared, 50u);
}

class ShardedSource : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy(FindGoldenCase("bf16_dp2tp2_mtp2ep2").expected, source_, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(source_)) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
  }

  MountableDirectory scratch_;
  fs::path source_ = scratch_.path() / "source";
  const Words sizes_ = {"--dp", "1", "--tp", "4", "--moe-tp", "2", "--moe-ep", "2", "--fidelity", "loader"};
};

constexpr const char* kResharded =
    "re-sharded from 4 ranks (dp 2, tp 2, moe_tp 2, moe_ep 2), as weight_sharder writes it, to: mindie layout (as "
    "MindIE's loader reads it right) of deepseek_v3";

TEST_F(ShardedSource, TheFirstLineOfPlanAndMountSaysFromWhatToWhat) {
  const ProgramResult plan = RunWith({"plan", source_}, sizes_);
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, StartsWith(kResharded));
  EXPECT_THAT(plan.out, HasSubstr(" and MTP, 16 experts) for 4 ranks: dp 1, tp 4, "));
  EXPECT_THAT(plan.err, HasSubstr("e_score_correction_bias is stored minus its minimum"));
  SHARDFS_REQUIRE_FUSE();
  const MountedProgram mount(source_, sizes_);
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  EXPECT_THAT(mount.result().err, StartsWith(std::string("shardfs: warning: ") + kResharded));
}

TEST_F(ShardedSource, TheMtpLayerIsShownAsTheDirectoryHasIt) {
  const auto has_mtp = [&](const Words& more) {
    const ProgramResult plan = RunWith(Words{"plan", source_, "--json", "--tp", "2"}, more);
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    return plan.out.find(" and MTP, ") != std::string::npos;
  };
  EXPECT_TRUE(has_mtp({}));
  EXPECT_FALSE(has_mtp({"--no-mtp"}));
}

TEST_F(ShardedSource, OtherLayoutsShowTheMergedCheckpoint) {
  const ProgramResult plan = RunShardfs({"plan", source_, "--layout", "huggingface"});
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out,
              HasSubstr("after merge: 4 ranks (dp 2, tp 2, moe_tp 2, moe_ep 2), as weight_sharder writes it"));
  const ProgramResult ranks =
      RunShardfs({"plan", source_, "--layout", "deepseek-mp", "--mp", "4", "--drop", "model.layers.5.**"});
  EXPECT_EQ(ranks.exit_code, 0) << ranks.err;
  const ProgramResult dequantized = RunShardfs({"plan", source_, "--dequantize", "bf16", "--tp", "2"});
  EXPECT_EQ(dequantized.exit_code, 2) << dequantized.err;
}

TEST_F(ShardedSource, CopiesThatDifferAreFoundByPlanCheck) {
  const ProgramResult same = RunShardfs({"plan", source_, "--layout", "huggingface", "--check"});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("copies of tensors that ranks share are the same"));
  const fs::path file = source_ / "model-attn-tp-001/model.safetensors";
  const auto places = TensorsOfFolder(file.parent_path());
  const Place& place = places.at("model.layers.1.self_attn.kv_a_proj_with_mqa.weight");
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(place.begin + 3));
  stream << "\x7f" << std::flush;
  const ProgramResult differ = RunShardfs({"plan", source_, "--layout", "huggingface", "--check"});
  EXPECT_EQ(differ.exit_code, 4) << differ.err;
  EXPECT_THAT(differ.out, HasSubstr("model.layers.1.self_attn.kv_a_proj_with_mqa.weight differs in "
                                    "'model-attn-tp-000/model.safetensors' and 'model-attn-tp-001/model.safetensors'"));
  const ProgramResult json = RunShardfs({"plan", source_, "--layout", "huggingface", "--check", "--json"});
  const auto answer = nlohmann::json::parse(json.out, nullptr, false);
  ASSERT_TRUE(answer.is_object()) << json.out;
  EXPECT_EQ(answer["replicas"]["differing"], 1);
}

TEST_F(ShardedSource, FoldersThatAreMissingAreRefusedBeforeAnythingIsShown) {
  fs::remove_all(source_ / "model-moe-tp-000-ep-001");
  fs::remove_all(source_ / "model-003");
  const std::string out = scratch_.path() / "out";
  const ProgramResult result = RunShardfs({"materialize", source_, out, "--layout", "huggingface"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("model-moe-tp-000-ep-001 of rank 2 is missing"));
  EXPECT_THAT(result.err, HasSubstr("2 folders are missing, of ranks 2-3"));
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace shardfs::testing
