// shardfs check, as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "cli/verify_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() { fs::copy(GoldenCase() + "/source", source_, fs::copy_options::recursive); }

  ProgramResult Check(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"check", source_});
    return RunShardfs(more);
  }
  json CheckJson(int exit_code, std::vector<std::string> more = {}) const {
    more.emplace_back("--json");
    const ProgramResult result = Check(more);
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    return json::parse(result.out, nullptr, false);
  }
  // The first weights file of the source.
  std::string Shard() const {
    std::string first;
    for (const auto& entry : fs::directory_iterator(source_)) {
      const std::string path = entry.path();
      if (path.ends_with(".safetensors") && (first.empty() || path < first)) first = path;
    }
    return first;
  }

  TemporaryDirectory root_;
  const std::string source_ = root_ / "source";
};

TEST_F(CheckTest, AWholeCheckpoint) {
  const ProgramResult result = Check();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr(": whole; which digests were published is not known"));
  const json report = CheckJson(0);
  EXPECT_EQ(report["whole"], true);
  EXPECT_EQ(report["digests"], "unknown");
  EXPECT_EQ(report["tensors"], 231);
  EXPECT_TRUE(report["findings"].empty());
  EXPECT_EQ(RunShardfs({"check", Shard()}).exit_code, 0);
}

TEST_F(CheckTest, DamageHasExitCode3) {
  fs::resize_file(Shard(), fs::file_size(Shard()) - 10);
  json report = CheckJson(3);
  ASSERT_EQ(report["findings"].size(), 1u) << report.dump(2);
  EXPECT_EQ(report["findings"][0]["kind"], "unreadable");
  EXPECT_THAT(report["findings"][0]["message"], HasSubstr("truncated"));
  fs::remove(Shard());
  report = CheckJson(3);
  EXPECT_EQ(report["findings"][0]["kind"], "incomplete");
  EXPECT_EQ(RunShardfs({"check", root_.path().string()}).exit_code, 3);  // no weights at its top
}

TEST_F(CheckTest, AnIndexOfMoreThanThereIs) {
  const std::string index = source_ + "/model.safetensors.index.json";
  json text = json::parse(ReadFile(index));
  text["weight_map"]["model.nowhere"] = fs::path(Shard()).filename().string();
  text["weight_map"]["model.elsewhere"] = "model-of-another.safetensors";
  fs::permissions(index, fs::perms::owner_write, fs::perm_options::add);
  WriteFile(index, text.dump());
  const ProgramResult result = Check();
  EXPECT_EQ(result.exit_code, 3) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("model-of-another.safetensors"));
}

TEST_F(CheckTest, ValuesHaveExitCode4) {
  const std::string shard = Shard();
  TensorFile file = TensorFile::Read(shard);
  for (const auto& [name, tensor] : file.header.items()) {
    if (name == "__metadata__" || tensor["dtype"] != "BF16") continue;
    file.data.replace(tensor["data_offsets"][0].get<std::size_t>(), 2, "\xC0\xFF");
    fs::permissions(shard, fs::perms::owner_write, fs::perm_options::add);
    file.Write(shard);
    const json report = CheckJson(4);
    ASSERT_EQ(report["findings"].size(), 1u) << report.dump(2);
    EXPECT_EQ(report["findings"][0]["kind"], "nan");
    EXPECT_EQ(report["findings"][0]["tensor"], name);
    EXPECT_EQ(report["findings"][0]["nan"], 1);
    return;
  }
  FAIL() << "no BF16 tensor";
}

// A clone without git-lfs: small texts in place of the weights, and what to type.
TEST_F(CheckTest, PointersOfGitLfsHaveExitCode3) {
  const std::string shard = Shard();
  fs::permissions(shard, fs::perms::owner_write, fs::perm_options::add);
  WriteFile(shard, "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 9\n");
  const ProgramResult result = Check();
  EXPECT_EQ(result.exit_code, 3) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("git-lfs pointer"));
  EXPECT_THAT(result.out, HasSubstr("git lfs pull"));
  EXPECT_EQ(CheckJson(3)["findings"][0]["kind"], "unreadable");
}

// What a download that was broken off leaves in a file of the right size; and infinities, counted by tensor.
TEST_F(CheckTest, ZerosAndInfinitiesHaveExitCode4) {
  const std::string shard = Shard();
  const TensorFile whole = TensorFile::Read(shard);
  std::string name;
  std::size_t begin = 0;
  std::size_t size = 0;
  for (const auto& [one, tensor] : whole.header.items()) {
    if (one == "__metadata__" || tensor["dtype"] != "BF16" || tensor["shape"].size() != 2) continue;
    const auto first = tensor["data_offsets"][0].get<std::size_t>();
    const auto last = tensor["data_offsets"][1].get<std::size_t>();
    if (last - first <= size) continue;
    name = one;
    begin = first;
    size = last - first;
  }
  ASSERT_GE(size, 8192u);
  fs::permissions(shard, fs::perms::owner_write, fs::perm_options::add);

  TensorFile zeros = whole;
  zeros.data.replace(begin, size, size, '\0');
  zeros.Write(shard);
  json report = CheckJson(4);
  ASSERT_GE(report["findings"].size(), 1u);
  EXPECT_EQ(report["findings"][0]["kind"], "zeros");
  EXPECT_GE(report["findings"][0]["bytes"], size);
  EXPECT_THAT(Check().out, HasSubstr(name));

  TensorFile infinite = whole;
  for (const std::size_t at : {begin, begin + 40, begin + size - 2}) infinite.data.replace(at, 2, "\x80\xFF");
  infinite.Write(shard);
  report = CheckJson(4);
  ASSERT_EQ(report["findings"].size(), 1u) << report.dump(2);
  EXPECT_EQ(report["findings"][0]["kind"], "infinity");
  EXPECT_EQ(report["findings"][0]["tensor"], name);
  EXPECT_EQ(report["findings"][0]["infinite"], 3);
}

TEST_F(CheckTest, AManifestThatSha256sumReads) {
  const std::string manifest = root_ / "manifest";
  EXPECT_EQ(Check({"--save", manifest}).exit_code, 0);
  EXPECT_EQ(std::system(("cd '" + source_ + "' && sha256sum --quiet -c '" + manifest + "'").c_str()), 0);
  EXPECT_THAT(Check({"--against", manifest}).out, HasSubstr("saved digests are equal"));
  const std::string config = source_ + "/config.json";
  fs::permissions(config, fs::perms::owner_write, fs::perm_options::add);
  WriteFile(config, ReadFile(config) + "\n");
  const json report = CheckJson(4, {"--against", manifest});
  ASSERT_EQ(report["findings"].size(), 1u);
  EXPECT_EQ(report["findings"][0]["path"], "config.json");
  EXPECT_EQ(report["findings"][0]["actual"], Sha256Hex(ReadFile(config)));
  EXPECT_EQ(report["digests"], "different");
}

TEST_F(CheckTest, ACacheOfHuggingFace) {
  const std::string model = root_ / "models--a--b";
  fs::create_directories(model + "/blobs");
  fs::create_directories(model + "/snapshots/rev");
  for (const auto& entry : fs::directory_iterator(source_)) {
    const std::string digest = Sha256Hex(ReadFile(entry.path()));
    fs::copy_file(entry.path(), model + "/blobs/" + digest);
    fs::create_symlink("../../blobs/" + digest, model + "/snapshots/rev/" + entry.path().filename().string());
  }
  const ProgramResult whole = RunShardfs({"check", model});
  EXPECT_EQ(whole.exit_code, 0) << whole.out << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("published digests are equal"));
  const std::string shard = model + "/snapshots/rev/" + fs::path(Shard()).filename().string();
  std::string bytes = ReadFile(shard);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  fs::permissions(fs::canonical(shard), fs::perms::owner_write, fs::perm_options::add);
  WriteFile(fs::canonical(shard), bytes);
  for (const std::string& source : {model, shard}) {
    const ProgramResult changed = RunShardfs({"check", source});
    EXPECT_EQ(changed.exit_code, 4) << changed.out << changed.err;
    EXPECT_THAT(changed.out, HasSubstr("and the name of its blob in the Hugging Face cache is"));
  }
}

TEST_F(CheckTest, OtherSources) {
  const std::string tests = SHARDFS_TESTS_DIR "/golden/";
  EXPECT_EQ(RunShardfs({"check", tests + "mindspore/transform_pp2_to_tp4/source"}).exit_code, 0);
  EXPECT_EQ(RunShardfs({"check", GoldenCase() + "/expected"}).exit_code, 0);     // MindIE's directory
  EXPECT_EQ(RunShardfs({"check", tests + "ckpt/sm4_cbc/source"}).exit_code, 2);  // without its key
}

TEST_F(CheckTest, RefusesWhatItCannotDo) {
  EXPECT_EQ(RunShardfs({"check", root_ / "none"}).exit_code, 1);
  fs::create_directory(root_ / "empty");
  EXPECT_EQ(RunShardfs({"check", root_ / "empty"}).exit_code, 1);
  EXPECT_EQ(Check({"--against", root_ / "none"}).exit_code, 2);
  EXPECT_EQ(Check({"--against", source_ + "/config.json"}).exit_code, 2);
  EXPECT_EQ(Check({"--save", source_ + "/manifest"}).exit_code, 2);
  EXPECT_EQ(Check({"--tp", "2"}).exit_code, 2);
  EXPECT_EQ(Check({"-O", "tp=2"}).exit_code, 2);
}

TEST_F(CheckTest, ProgressAsJsonEndsWithTheResult) {
  const ProgramResult result = Check({"--progress", "json"});
  EXPECT_EQ(result.exit_code, 0);
  const std::size_t last = result.out.rfind('\n', result.out.size() - 2);
  const json end = json::parse(result.out.substr(last == std::string::npos ? 0 : last + 1), nullptr, false);
  EXPECT_EQ(end["outcome"], "done");
  EXPECT_EQ(end["result"]["whole"], true);
  EXPECT_THAT(Check({"--progress", "bar"}).err, HasSubstr("\x1b[K"));
}

}  // namespace
}  // namespace shardfs
