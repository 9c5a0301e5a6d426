// Damaged and incomplete checkpoints: the code, and that the message names what disagrees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "shardfs/checkpoint/safetensors_directory.h"
#include "source/scratch_directory.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScratchDirectory;

constexpr char kIndex[] = "model.safetensors.index.json";

class SafetensorsDirectoryRefusalTest : public ::testing::Test {
 protected:
  void ExpectRefused(StatusCode code, const std::vector<std::string>& parts) {
    const auto checkpoint = SafetensorsDirectory::Open(directory_.path().string());
    ASSERT_FALSE(checkpoint.ok());
    EXPECT_EQ(checkpoint.status().code(), code) << checkpoint.status();
    const std::string message(checkpoint.status().message());
    EXPECT_THAT(message, HasSubstr(directory_.path().string()));
    for (const std::string& part : parts) EXPECT_THAT(message, HasSubstr(part));
  }

  ScratchDirectory directory_;
};

TEST_F(SafetensorsDirectoryRefusalTest, SourceThatIsNoDirectory) {
  directory_.Write("file", "");
  const auto missing = SafetensorsDirectory::Open((directory_ / "missing").string());
  EXPECT_EQ(missing.status().code(), StatusCode::kIoError) << "it may come late";
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("does not exist"));
  const auto file = SafetensorsDirectory::Open((directory_ / "file").string());
  EXPECT_EQ(file.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("neither a directory nor a weights file"));
  EXPECT_EQ(SafetensorsDirectory::Open((directory_ / "file/x").string()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(SafetensorsDirectory::Open("").status().code(), StatusCode::kInvalidArgument);
}

// As the directory is on which a network file system is not mounted yet.
TEST_F(SafetensorsDirectoryRefusalTest, AnEmptyDirectoryMayBeFilledYet) {
  const auto empty = SafetensorsDirectory::Open(directory_.path().string());
  EXPECT_EQ(empty.status().code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(empty.status().message()), HasSubstr("the directory is empty; is the file system mounted"));
}

TEST_F(SafetensorsDirectoryRefusalTest, NoShardAtAll) {
  directory_.Write("config.json", "{}");
  ExpectRefused(StatusCode::kCorruption, {"no *.safetensors file"});
}

TEST_F(SafetensorsDirectoryRefusalTest, IndexNamesAPath) {
  directory_.WriteShard("1.safetensors", {"a"});
  for (const char* path : {"../1.safetensors", "/1.safetensors", "x/../1.safetensors", ".."}) {
    directory_.Write(kIndex, R"({"weight_map": {"a": ")" + std::string(path) + "\"}}");
    ExpectRefused(StatusCode::kCorruption, {kIndex, "'" + std::string(path) + "'", "'a'"});
  }
}

TEST_F(SafetensorsDirectoryRefusalTest, AnyOfTwoIndicesMustBeOne) {
  directory_.WriteShard("1.safetensors", {"a"});
  directory_.Write(kIndex, R"({"weight_map": {"a": "1.safetensors"}})");
  directory_.Write("other.safetensors.index.json", "{}");
  ExpectRefused(StatusCode::kCorruption, {"'other.safetensors.index.json'", "no weight_map", "may be removed"});
  for (int i = 0; i < 8; ++i) directory_.Write(std::to_string(i) + ".safetensors.index.json", "{}");
  ExpectRefused(StatusCode::kNotSupported, {"10 indices", "more than 8"});
}

TEST_F(SafetensorsDirectoryRefusalTest, AnIndexThatIsAnotherFile) {
  directory_.WriteShard("1.safetensors", {"a"});
  directory_.Write(kIndex, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  ExpectRefused(StatusCode::kCorruption, {"'model.safetensors.index.json' is a git-lfs pointer", "git lfs pull"});
}

TEST_F(SafetensorsDirectoryRefusalTest, DanglingIndex) {
  directory_.WriteShard("1.safetensors", {"a"});
  std::filesystem::create_symlink("../blobs/0123", directory_ / kIndex);
  ExpectRefused(StatusCode::kCorruption, {kIndex, "'../blobs/0123'"});
}

TEST_F(SafetensorsDirectoryRefusalTest, TensorInTwoFiles) {
  directory_.WriteShard("1.safetensors", {"a", "b"});
  directory_.WriteShard("2.safetensors", {"b", "c"});
  ExpectRefused(StatusCode::kCorruption, {"duplicate-name: tensor 'b' stands in '1.safetensors' and in '2.safetensors'", "move"});
}

TEST_F(SafetensorsDirectoryRefusalTest, AMergedCopyBesideItsShards) {
  directory_.WriteShard("1.safetensors", {"a", "b"});
  directory_.WriteShard("2.safetensors", {"c"});
  directory_.WriteShard("consolidated.safetensors", {"a", "b", "c"});
  directory_.Write(kIndex, R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}})");
  ExpectRefused(StatusCode::kCorruption,
                {"'a' stands in '1.safetensors' and in 'consolidated.safetensors', as does 1 more",
                 "'c' stands in '2.safetensors' and in 'consolidated.safetensors'",
                 "'model.safetensors.index.json' does not name 'consolidated.safetensors': move it elsewhere"});
}

TEST_F(SafetensorsDirectoryRefusalTest, AMergedCopyThatNeitherOfTwoIndicesNames) {
  directory_.WriteShard("1.safetensors", {"a"});
  directory_.WriteShard("consolidated.safetensors", {"a"});
  for (const char* index : {"model.safetensors.index.json", "quant_model_weight.safetensors.index.json"}) {
    directory_.Write(index, R"({"weight_map": {"a": "1.safetensors"}})");
  }
  ExpectRefused(StatusCode::kCorruption, {"no index names 'consolidated.safetensors': move it elsewhere"});
}

TEST_F(SafetensorsDirectoryRefusalTest, ManyPairsOfFilesAreCutToTen) {
  std::vector<std::string> all;
  for (int i = 10; i < 22; ++i) {
    all.push_back("t" + std::to_string(i));
    directory_.WriteShard(std::to_string(i) + ".safetensors", {all.back()});
  }
  directory_.WriteShard("all.safetensors", all);
  ExpectRefused(StatusCode::kCorruption, {"'t10'", "'t19'", "and 2 more"});
}

TEST_F(SafetensorsDirectoryRefusalTest, WhatIsMissingComesFirst) {
  directory_.WriteShard("model-00002-of-00003.safetensors", {"b"});
  directory_.Write("model-00003-of-00003.safetensors", "");
  directory_.Write("model-00001-of-00003.safetensors.incomplete", "x");
  ExpectRefused(StatusCode::kCorruption,
                {"': the checkpoint is incomplete: 1 of the 3 files 'model-*-of-00003.safetensors' is missing "
                 "('model-00001-of-00003.safetensors'); a download has not come to its end "
                 "('model-00001-of-00003.safetensors.incomplete' is left of it); complete it first; as it is: "
                 "'model-00003-of-00003.safetensors' is empty (0 bytes)"});
}

TEST_F(SafetensorsDirectoryRefusalTest, NoShardButAnIndexThatNamesThem) {
  directory_.Write(kIndex, R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  directory_.Write("pytorch_model.bin", "");
  ExpectRefused(StatusCode::kCorruption, {"no *.safetensors file", "names 2, '1.safetensors' first",
                                          "'pytorch_model.bin' are to be converted"});
}

TEST_F(SafetensorsDirectoryRefusalTest, FilesOfAnotherKindAreNamedTogether) {
  const char* const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  for (int i = 1; i <= 9; ++i) directory_.Write(std::to_string(i) + ".safetensors", pointer);
  ExpectRefused(StatusCode::kCorruption,
                {"'1.safetensors', '2.safetensors', '3.safetensors' and 6 more files: each is a "
                 "git-lfs pointer in place of the file; run `git lfs pull`"});
  directory_.Write("1.safetensors", "<!DOCTYPE html><html>");
  directory_.Write("2.safetensors", "PK\3\4 torch");
  directory_.Write("3.safetensors", "Entry not found");
  directory_.Write("4.safetensors", std::string(1000, '\0'));
  ExpectRefused(StatusCode::kCorruption, {"'1.safetensors' is an HTML page", "'2.safetensors' is a zip archive",
                                          "'3.safetensors' is a short plain text", "(it says 'Entry not found')",
                                          "'4.safetensors' begins with "});
}

TEST_F(SafetensorsDirectoryRefusalTest, DamagedFilesAreNamedTogether) {
  directory_.WriteShard("1.safetensors", {"a"});
  directory_.WriteShard("2.safetensors", {"b"}, 100);
  std::filesystem::resize_file(directory_ / "2.safetensors",
                               std::filesystem::file_size(directory_ / "2.safetensors") - 1);
  directory_.Write("3.safetensors", "\1\2\3\4\5");
  directory_.WriteShard("4.safetensors", {"d"});
  std::filesystem::resize_file(directory_ / "4.safetensors", 1000);
  ExpectRefused(StatusCode::kCorruption,
                {"'2.safetensors': ", "truncated", "'3.safetensors': ", "5 bytes", "'4.safetensors': ", "1000 bytes"});
}

TEST_F(SafetensorsDirectoryRefusalTest, UnknownDtype) {
  directory_.Write("1.safetensors", testing::HeaderBytes(R"({"t":{"dtype":"F3","shape":[0],"data_offsets":[0,0]}})"));
  ExpectRefused(StatusCode::kNotSupported, {"'1.safetensors'", "'t'", "'F3'"});
}

TEST_F(SafetensorsDirectoryRefusalTest, EmptyFile) {
  directory_.Write("1.safetensors", "");
  ExpectRefused(StatusCode::kCorruption, {"'1.safetensors'", "0 bytes"});
}

TEST_F(SafetensorsDirectoryRefusalTest, DanglingShard) {
  directory_.WriteShard("1.safetensors", {"a"});
  std::filesystem::create_symlink("../../blobs/0123", directory_ / "2.safetensors");
  ExpectRefused(StatusCode::kCorruption, {"'2.safetensors' is missing", "'../../blobs/0123'"});
}

TEST_F(SafetensorsDirectoryRefusalTest, ShardThatIsALinkToItself) {
  std::filesystem::create_symlink("3.safetensors", directory_ / "3.safetensors");
  ExpectRefused(StatusCode::kCorruption, {"'3.safetensors' is a link that leads to itself"});
}

TEST_F(SafetensorsDirectoryRefusalTest, FifoInPlaceOfAShard) {
  ASSERT_EQ(::mkfifo((directory_ / "1.safetensors").c_str(), 0600), 0);
  ExpectRefused(StatusCode::kCorruption, {"'1.safetensors' is not a regular file"});
}

TEST_F(SafetensorsDirectoryRefusalTest, DirectoryInPlaceOfAShard) {
  std::filesystem::create_directory(directory_ / "1.safetensors");
  ExpectRefused(StatusCode::kCorruption, {"'1.safetensors' is not a regular file"});
}

TEST_F(SafetensorsDirectoryRefusalTest, IndexAboveTheLimit) {
  directory_.WriteShard("1.safetensors", {"a"});
  directory_.Write(kIndex, "{}");
  std::filesystem::resize_file(directory_ / kIndex, 128'000'001);
  ExpectRefused(StatusCode::kNotSupported, {kIndex, "128000001", "128000000"});
}

// In a process of its own, as a hard limit cannot be given back. Exits with 0 when the refusal is as it should be.
[[noreturn]] void OpenWithFewDescriptors(const std::string& directory) {
  const rlimit limit{.rlim_cur = 64, .rlim_max = 64};
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto checkpoint = SafetensorsDirectory::Open(directory);
  const std::string message(checkpoint.status().message());
  std::_Exit(checkpoint.status().code() == StatusCode::kResourceExhausted &&
                     message.find("100 files") != message.npos && message.find("64") != message.npos
                 ? 0
                 : 1);
}

TEST_F(SafetensorsDirectoryRefusalTest, TooFewDescriptors) {
  for (int i = 100; i < 200; ++i) {
    directory_.WriteShard(std::to_string(i) + ".safetensors", {"t" + std::to_string(i)});
  }
  EXPECT_EXIT(OpenWithFewDescriptors(directory_.path().string()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shardfs
