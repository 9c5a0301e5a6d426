// verify with a directory alone: against the manifest in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kNorm = "model-norm/model.safetensors";

class VerifyManifestTest : public ::testing::Test {
 protected:
  VerifyManifestTest() {
    const ProgramResult result = RunShardfs(GoldenArguments("materialize", {out_, "--verify"}));
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }

  ProgramResult Verify(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"verify", out_});
    return RunShardfs(more);
  }

  json OnlyDifference(const std::vector<std::string>& more = {"--json"}) {
    const ProgramResult result = Verify(more);
    EXPECT_EQ(result.exit_code, 4) << result.err;
    const json report = json::parse(result.out, nullptr, false);
    if (report.is_discarded() || report["differences"].size() != 1) {
      ADD_FAILURE() << result.out;
      return {};
    }
    EXPECT_TRUE(report["source"].is_null());
    return report["differences"][0];
  }

  TemporaryDirectory root_;
  const std::string out_ = root_ / "out";
};

TEST_F(VerifyManifestTest, EqualWithoutTheSource) {
  const ProgramResult result = Verify();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(": equal ("));
  EXPECT_THAT(Verify({"--quick"}).out, HasSubstr("equal in names and sizes"));
}

TEST_F(VerifyManifestTest, TheViewIgnoresTheManifest) {
  const ProgramResult result = RunShardfs(GoldenArguments("verify", {out_}));
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST_F(VerifyManifestTest, AChangedByte) {
  std::string bytes = ReadFile(out_ + "/" + kNorm);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  WriteFile(out_ + "/" + kNorm, bytes);
  const json difference = OnlyDifference();
  EXPECT_EQ(difference["path"], kNorm);
  EXPECT_EQ(difference["kind"], "digest");
  EXPECT_EQ(Verify({"--quick"}).exit_code, 0);
}

TEST_F(VerifyManifestTest, AMissingByte) {
  fs::resize_file(out_ + "/" + kNorm, 100);
  const json difference = OnlyDifference({"--json", "--quick"});
  EXPECT_EQ(difference["kind"], "size");
  EXPECT_EQ(difference["actual"], "100");
}

TEST_F(VerifyManifestTest, AMissingFile) {
  fs::remove(out_ + "/" + kNorm);
  EXPECT_EQ(OnlyDifference()["kind"], "missing");
}

TEST_F(VerifyManifestTest, AFileTooMany) {
  WriteFile(out_ + "/model-norm/other", "x");
  const json difference = OnlyDifference();
  EXPECT_EQ(difference["path"], "model-norm/other");
  EXPECT_EQ(difference["kind"], "extra");
}

TEST_F(VerifyManifestTest, ALinkInPlaceOfAFile) {
  fs::rename(out_ + "/" + kNorm, root_ / "elsewhere");
  fs::create_symlink(root_ / "elsewhere", out_ + "/" + kNorm);
  EXPECT_EQ(OnlyDifference()["kind"], "type");
}

TEST_F(VerifyManifestTest, ADamagedManifestIsRefused) {
  const std::string path = out_ + "/.shardfs-manifest.json";
  WriteFile(path, ReadFile(path) + " ");
  const ProgramResult result = Verify();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("one of them was changed"));
}

TEST_F(VerifyManifestTest, NoMarkerNoVerdict) {
  fs::remove(out_ + "/.shardfs-complete");
  const ProgramResult result = Verify();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("never finished"), HasSubstr("give SOURCE and DIR")));
}

TEST_F(VerifyManifestTest, OptionsOfAViewNeedTheSource) {
  const ProgramResult result = Verify({"--tp", "2"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--tp"), HasSubstr("needs the source")));
}

TEST_F(VerifyManifestTest, TheSameCommandAgainDoesNothing) {
  const ProgramResult again = RunShardfs(GoldenArguments("materialize", {out_}));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("were there"));
  const ProgramResult other = RunShardfs(GoldenArguments("materialize", {out_, "--max-shard-size", "1GB"}));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("not empty"), HasSubstr("max_shard_size")));
}

}  // namespace
}  // namespace shardfs
