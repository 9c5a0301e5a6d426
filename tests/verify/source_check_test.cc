// The whole of a check, on files of every kind that has to be told apart.
#include "verify/source_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/sha256.h"
#include "materialize/temporary_directory.h"
#include "shardfs/format/ckpt/ckpt.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using Kind = SourceFinding::Kind;

class SourceCheckTest : public ::testing::Test {
 protected:
  // A file of tensors whose bytes are all 1, changed by `edit`, which gets the data.
  void WriteTensors(const std::string& name, const std::vector<NewTensor>& tensors,
                    const std::function<void(std::string&)>& edit = {}) {
    const auto header = SerializeHeader(tensors);
    ASSERT_TRUE(header.ok()) << header.status();
    std::string data(header->file_size - header->bytes.size(), '\1');
    if (edit) edit(data);
    header_bytes_ = header->bytes.size();
    WriteFile(root_ / name, header->bytes + data);
  }

  void WriteCkpt(const std::string& name, const NewCkptTensor& tensor, const std::string& data, std::uint64_t chunk) {
    const auto pieces = LayOutCkpt(std::span(&tensor, 1), chunk);
    ASSERT_TRUE(pieces.ok()) << pieces.status();
    std::string file(pieces->file_size, '\0');
    for (const CkptPiece& piece : pieces->pieces) {
      const std::string text = pieces->text.substr(piece.text_begin, piece.text_size);
      file.replace(piece.offset, text.size(), text);
      file.replace(piece.offset + text.size(), piece.size, data, piece.begin, piece.size);
    }
    WriteFile(root_ / name, file);
  }

  SourceCheckReport Check(SourceCheckOptions options = {}, unsigned threads = 3) {
    options.threads = threads;
    const auto root = SourceRoot::Open(root_.path().string());
    EXPECT_TRUE(root.ok()) << root.status();
    const auto check = SourceCheck::Create(*root, std::move(options));
    EXPECT_TRUE(check.ok()) << check.status();
    VerifyProgress progress;
    auto report = check->Run(progress, {});
    EXPECT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(progress.files_done, check->files().size());
    EXPECT_EQ(progress.bytes_done, check->total_bytes());
    return *std::move(report);
  }

  TemporaryDirectory root_;
  std::uint64_t header_bytes_ = 0;
};

TEST_F(SourceCheckTest, WholeFilesHaveNoFindings) {
  WriteTensors("a.safetensors", {{"m", Dtype::kBF16, {300, 300}}, {"e", Dtype::kF32, {0}}});
  WriteTensors("sub/b.safetensors", {{"n", Dtype::kI8, {5000}}});
  WriteFile(root_ / "config.json", "{}");
  const SourceCheckReport report = Check();
  EXPECT_TRUE(report.findings.empty()) << report.findings[0].message;
  EXPECT_EQ(report.files, 3u);
  EXPECT_EQ(report.weights_files, 2u);
  EXPECT_EQ(report.tensors, 3u);
  EXPECT_EQ(report.digests, 0u);
}

TEST_F(SourceCheckTest, CountsByTensorOverPiecesOfAFile) {
  constexpr std::uint64_t kCount = 2'600'000;
  std::string data(4 * kCount, '\1');
  const std::string nan("\x00\x00\xC0\x7F", 4);
  for (const std::uint64_t i : {std::uint64_t{0}, std::uint64_t{1'000'000}, kCount - 1}) data.replace(4 * i, 4, nan);
  // Every number around the ends of the pieces, wherever the text before the tensor ends.
  for (std::uint64_t i = 1'048'520; i < 1'048'600; ++i) data.replace(4 * i, 4, std::string("\x00\x00\x80\xFF", 4));
  // Names of any length, so that pieces end at every place within a number.
  for (const char* name : {"x", "xx", "xxx", "xxxx"}) {
    WriteCkpt("net.ckpt", {name, Dtype::kF32, {1300, 2000}}, data, kCkptChunkBytes);
    const SourceCheckReport report = Check();
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_EQ(report.findings[0].kind, Kind::kNan);
    EXPECT_EQ(report.findings[0].tensor, name);
    EXPECT_EQ(report.findings[0].nan, 3u);
    EXPECT_EQ(report.findings[0].infinite, 80u);
    EXPECT_THAT(report.findings[0].message, HasSubstr("3 NaN and 80 infinities among the 2600000 values of"));
  }
}

TEST_F(SourceCheckTest, FindsLostBytes) {
  WriteTensors("a.safetensors", {{"m", Dtype::kBF16, {300, 300}}},
               [](std::string& data) { data.replace(20000, 70000, 70000, '\0'); });
  const SourceCheckReport report = Check();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].kind, Kind::kZeros);
  EXPECT_EQ(report.findings[0].bytes, 70000u);
  EXPECT_EQ(report.findings[0].offset, header_bytes_ + 20000);
}

TEST_F(SourceCheckTest, ReadsWhatLiesInPieces) {
  // Two chunks that meet within a number; the loss is in the second.
  std::string data(120000, '\1');
  data.replace(4 * 15000, 4, std::string("\x00\x00\xC0\x7F", 4));  // bytes 60000 to 60003
  data.replace(70000, 5000, 5000, '\0');
  WriteCkpt("net.ckpt", {"w", Dtype::kF32, {100, 300}}, data, 60002);
  const SourceCheckReport report = Check();
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].kind, Kind::kZeros);
  EXPECT_EQ(report.findings[0].bytes, 5000u);
  EXPECT_EQ(report.findings[1].kind, Kind::kNan);
  EXPECT_EQ(report.findings[1].nan, 1u);
}

TEST_F(SourceCheckTest, OneDamagedFileDoesNotHideAnother) {
  WriteTensors("a.safetensors", {{"m", Dtype::kF16, {9}}});
  std::filesystem::resize_file(root_ / "a.safetensors", std::filesystem::file_size(root_ / "a.safetensors") - 1);
  WriteTensors("b.safetensors", {{"m", Dtype::kF16, {9}}}, [](std::string& data) { data += "x"; });
  WriteFile(root_ / "c.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
  std::filesystem::create_symlink("none", root_ / "d.safetensors");
  WriteTensors("e.safetensors", {{"m", Dtype::kF16, {9}}}, [](std::string& data) { data.replace(2, 2, "\xFF\x7F"); });
  const SourceCheckReport report = Check();
  ASSERT_EQ(report.findings.size(), 5u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(report.findings[i].kind, Kind::kUnreadable);
  EXPECT_THAT(report.findings[0].message, HasSubstr("truncated"));
  EXPECT_THAT(report.findings[2].message, HasSubstr("git-lfs"));
  EXPECT_THAT(report.findings[3].message, HasSubstr("does not exist"));
  EXPECT_EQ(report.findings[4].kind, Kind::kNan);
}

TEST_F(SourceCheckTest, ComparesWithAManifest) {
  WriteTensors("a.safetensors", {{"m", Dtype::kBF16, {300, 300}}},
               [](std::string& data) { data.replace(20000, 70000, 70000, '\0'); });
  WriteFile(root_ / "config.json", "{}");
  WriteFile(root_ / ".hidden", "h");
  SourceCheckOptions saving;
  saving.wants_checksums = true;
  const SourceCheckReport saved = Check(saving);
  ASSERT_EQ(saved.checksums.entries.size(), 2u);
  EXPECT_EQ(saved.checksums.Find("config.json")->sha256, Sha256Hex("{}"));
  EXPECT_EQ(saved.checksums.Find("a.safetensors")->sha256, Sha256Hex(ReadFile(root_ / "a.safetensors")));

  SourceCheckOptions comparing;
  comparing.against = saved.checksums;
  comparing.against->entries.insert(comparing.against->entries.begin(), {".hidden", Sha256Hex("h")});
  comparing.against_name = "'m'";
  const SourceCheckReport equal = Check(comparing);
  EXPECT_TRUE(equal.findings.empty()) << equal.findings[0].message;  // the zeros are values then
  EXPECT_THAT(equal.notes, ::testing::Contains(HasSubstr("they are values")));
  EXPECT_EQ(equal.equal_digests, 3u);

  WriteFile(root_ / "config.json", "[]");
  WriteTensors("z.safetensors", {{"m", Dtype::kF16, {9}}});
  std::filesystem::remove(root_ / ".hidden");
  const SourceCheckReport different = Check(comparing);
  ASSERT_EQ(different.findings.size(), 3u);
  EXPECT_EQ(different.findings[0].kind, Kind::kMissing);
  EXPECT_EQ(different.findings[1].kind, Kind::kDigest);
  EXPECT_EQ(different.findings[1].actual, Sha256Hex("[]"));
  EXPECT_EQ(different.findings[2].kind, Kind::kExtra);
}

TEST_F(SourceCheckTest, StopsWhenItIsTold) {
  WriteTensors("a.safetensors", {{"m", Dtype::kBF16, {300, 300}}});
  const auto root = SourceRoot::Open(root_.path().string());
  const auto check = SourceCheck::Create(*root, {});
  ASSERT_TRUE(check.ok());
  std::stop_source stop;
  stop.request_stop();
  VerifyProgress progress;
  const auto report = check->Run(progress, stop.get_token());
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace shardfs
