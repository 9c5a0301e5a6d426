// shardfs verify: what weight_sharder and materialize wrote is equal; names that only one side has are found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/verify_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class VerifyTest : public VerifyFixture {};

TEST_F(VerifyTest, TheReferencesOutputIsEqual) {
  ExpectEqual();
  ExpectEqual({"--quick"});
  ExpectEqual({"--threads", "5"});
}

TEST_F(VerifyTest, AMaterializedDirectoryIsEqual) {
  fs::remove_all(out_);
  ASSERT_EQ(RunShardfs(GoldenArguments("materialize", {out_})).exit_code, 0);
  ExpectEqual();
  ExpectEqual({"--ranks", "0-3"});
}

TEST_F(VerifyTest, HiddenFilesAndJsonOrderDoNotCount) {
  WriteFile(At(".DS_Store"), "x");
  WriteFile(At("model-norm/.nfs0001"), "x");
  const json metadata = json::parse(ReadFile(At("model_sharded_metadata.json")));  // sorts keys
  WriteFile(At("model_sharded_metadata.json"), metadata.dump());
  ExpectEqual();
  ExpectEqual({"--quick"});
}

TEST_F(VerifyTest, Json) {
  const ProgramResult result = Verify({"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(out_)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    bytes += entry.file_size();
  }
  EXPECT_EQ(report["equal"], true);
  EXPECT_EQ(report["files_compared"], files);
  EXPECT_EQ(report["bytes_compared"], bytes);
  EXPECT_EQ(report["differences"], json::array());
}

TEST_F(VerifyTest, MissingAndExtra) {
  fs::remove(At("config.json"));
  EXPECT_THAT(OnlyDifference("config.json", "missing").value("message", ""), HasSubstr("is missing"));
  fs::copy(GoldenCase() + "/expected/config.json", At("config.json"));

  fs::remove_all(At("model-003"));
  EXPECT_EQ(OnlyDifference("model-003", "missing")["message"], "folder is missing, with 1 file");
  fs::create_directory(At("model-003"));
  OnlyDifference("model-003/model.safetensors", "missing");
  fs::copy(GoldenCase() + "/expected/model-003/model.safetensors", At("model-003/model.safetensors"));

  WriteFile(At("model-000/other.safetensors"), "x");
  EXPECT_EQ(OnlyDifference("model-000/other.safetensors", "extra")["message"], "file is not expected");
  fs::remove(At("model-000/other.safetensors"));
  fs::create_directory(At("model-004"));
  EXPECT_EQ(OnlyDifference("model-004", "extra")["message"], "folder is not expected");
  WriteFile(At("model-004/a"), "a");
  WriteFile(At("model-004/b"), "b");
  EXPECT_EQ(OnlyDifference("model-004", "extra")["message"], "folder is not expected, with 2 files");
}

TEST_F(VerifyTest, WrongTypes) {
  fs::remove(At("config.json"));
  fs::create_directory(At("config.json"));
  EXPECT_EQ(OnlyDifference("config.json", "type")["message"], "expected a file, found a folder");
  fs::remove(At("config.json"));
  ASSERT_EQ(::mkfifo(At("config.json").c_str(), 0600), 0);
  EXPECT_EQ(OnlyDifference("config.json", "type")["message"], "expected a file, found neither a file nor a folder");
  fs::remove(At("config.json"));
  fs::create_symlink(GoldenCase() + "/expected/config.json", At("config.json"));
  ExpectEqual();
  fs::remove_all(At("model-000"));
  WriteFile(At("model-000"), "");
  EXPECT_EQ(OnlyDifference("model-000", "type")["message"], "expected a folder, found a file");
}

TEST_F(VerifyTest, Renamed) {
  const std::string new_name = "model-norm/model-00001-of-00001.safetensors";
  fs::rename(At(kNormFile), At(new_name));
  json difference = OnlyDifference(kNormFile, "renamed");
  EXPECT_EQ(difference["actual"], new_name);
  EXPECT_EQ(difference["message"], "file is called '" + new_name + "'");
  OnlyDifference(kNormFile, "renamed", {"--quick"});
  EditBytes(new_name, [](std::string& bytes) { bytes.back() = static_cast<char>(bytes.back() ^ 1); });
  const json differences = Differences();
  ASSERT_EQ(differences.size(), 2u) << differences.dump(2);
  EXPECT_EQ(differences[0]["kind"], "extra");
  EXPECT_EQ(differences[1]["kind"], "missing");
}

TEST_F(VerifyTest, RenamedFolder) {
  fs::rename(At("model-attn-tp-000"), At("model-attn-tp-0"));
  const json difference = OnlyDifference("model-attn-tp-000", "renamed");
  EXPECT_EQ(difference["message"], "folder is called 'model-attn-tp-0'");
}

TEST_F(VerifyTest, ExchangedFolders) {
  fs::rename(At("model-moe-tp-000-ep-001"), At("x"));
  fs::rename(At("model-moe-tp-001-ep-000"), At("model-moe-tp-000-ep-001"));
  fs::rename(At("x"), At("model-moe-tp-001-ep-000"));
  const json differences = Differences();
  ASSERT_EQ(differences.size(), 2u) << differences.dump(2);
  EXPECT_THAT(differences[0].value("message", ""),
              HasSubstr("the file holds what 'model-moe-tp-001-ep-000/model.safetensors' should"));
  EXPECT_THAT(differences[1].value("message", ""),
              HasSubstr("the file holds what 'model-moe-tp-000-ep-001/model.safetensors' should"));
  for (const json& difference : differences) EXPECT_EQ(difference["kind"], "value");
}

TEST_F(VerifyTest, EveryFileHasItsFirstDifference) {
  EditBytes(kNormFile, [](std::string& bytes) { bytes.back() = static_cast<char>(bytes.back() ^ 1); });
  EditBytes(kAttentionFile, [](std::string& bytes) {
    bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 1);
    bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  });
  fs::remove(At("tokenizer.json"));
  const ProgramResult result = Verify();
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.out, AllOf(HasSubstr("'model-norm/model.safetensors': tensor 'model.norm.weight'"),
                                HasSubstr("'tokenizer.json': file is missing\n"), HasSubstr(": 3 differences (")));
}

TEST_F(VerifyTest, SomeRanks) {
  ExpectEqual({"--ranks", "0"});
  ExpectEqual({"--node-rank", "1", "--nnodes", "2"});
  fs::remove_all(out_);
  ASSERT_EQ(RunShardfs(GoldenArguments("materialize", {out_, "--ranks", "0,1"})).exit_code, 0);
  ExpectEqual({"--ranks", "0,1"});
  ExpectEqual({"--node-rank", "0", "--nnodes", "2"});
  for (const json& difference : Differences()) EXPECT_EQ(difference["kind"], "missing");
  for (const json& difference : Differences({"--ranks", "1-2"})) EXPECT_EQ(difference["kind"], "missing");
  WriteFile(At("model-007/model.safetensors"), "x");
  OnlyDifference("model-007", "extra", {"--ranks", "0,1"});
}

TEST_F(VerifyTest, RefusalsAndFailures) {
  const auto verify = [](const std::string& directory, std::vector<std::string> more = {}) {
    more.insert(more.begin(), directory);
    return RunShardfs(GoldenArguments("verify", more));
  };
  EXPECT_EQ(verify(out_ + "/none").exit_code, 2);
  const ProgramResult file = verify(out_ + "/config.json");
  EXPECT_EQ(file.exit_code, 2);
  EXPECT_THAT(file.err, HasSubstr("is not a directory"));
  EXPECT_EQ(verify(out_, {"--ranks", "4"}).exit_code, 2);
  EXPECT_EQ(verify(out_, {"--ranks", "0", "--node-rank", "0"}).exit_code, 2);
  EXPECT_EQ(verify(out_, {"--threads", "0"}).exit_code, 2);
  EXPECT_EQ(RunShardfs({"verify", GoldenCase() + "/source"}).exit_code, 2);
}

TEST_F(VerifyTest, AFileThatCannotBeReadIsNamed) {
  const char* kShort = "/sys/kernel/mm/transparent_hugepage/enabled";  // says that it has a page, and has a line
  if (!fs::exists(kShort)) GTEST_SKIP() << "needs a file that cannot be read in full";
  fs::remove(At("config.json"));
  fs::create_symlink(kShort, At("config.json"));
  const ProgramResult result = Verify();
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_THAT(result.err, HasSubstr("out/config.json"));
}

}  // namespace
}  // namespace shardfs
