#include "shardfs/verify/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "materialize/temporary_directory.h"
#include "materialize/test_files.h"
#include "tensor/memory_source.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::uint64_t kChunk = 8u << 20;  // bytes of a file that a worker compares at a time

class VerifierTest : public ::testing::Test {
 protected:
  VerifierTest() { fs::create_directory(out_); }

  // A file of the view, and the same in the directory.
  void AddFile(const std::string& path, std::uint64_t seed, std::uint64_t size, PatternFile::Hook hook = nullptr) {
    ASSERT_TRUE(builder_.AddFile(path, RankSet::All(1), Pattern(seed, size, std::move(hook))).ok());
    WriteFile(out_ + "/" + path, PatternText(seed, size));
  }

  void Flip(const std::string& path, std::uint64_t offset) const {
    std::fstream file(out_ + "/" + path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 1));
  }

  Result<VerifyReport> Run() {
    if (tree_ == nullptr) tree_ = std::move(builder_).Build();
    SHARDFS_ASSIGN_OR_RETURN(const Verifier verifier, Verifier::Create(tree_, out_, options_));
    progress_.bytes_done = 0;
    progress_.files_done = 0;
    auto report = verifier.Run(progress_, stop_.get_token());
    if (report.ok()) {
      EXPECT_EQ(progress_.bytes_done, verifier.total_bytes());
      EXPECT_EQ(progress_.files_done, verifier.files().size());
    }
    return report;
  }

  // The message of the one difference.
  std::string Message() {
    const auto report = Run();
    if (!report.ok()) return report.status().ToString();
    if (report->differences.size() != 1) return std::to_string(report->differences.size()) + " differences";
    return report->differences[0].path + ": " + report->differences[0].message;
  }

  TemporaryDirectory root_;
  const std::string out_ = root_ / "out";
  VirtualTreeBuilder builder_;
  std::shared_ptr<const VirtualTree> tree_;
  VerifyOptions options_;
  VerifyProgress progress_;
  std::stop_source stop_;
};

TEST_F(VerifierTest, EmptyViewAndDirectory) {
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->equal());
}

TEST_F(VerifierTest, TheFirstDifferenceAcrossChunks) {
  AddFile("large", 1, 3 * kChunk + 123);
  AddFile("empty", 2, 0);
  options_.threads = 4;
  const auto equal = Run();
  ASSERT_TRUE(equal.ok()) << equal.status();
  EXPECT_TRUE(equal->equal());
  EXPECT_EQ(equal->bytes_compared, 3 * kChunk + 123);
  for (const std::uint64_t offset : {3 * kChunk + 122, 3 * kChunk, 3 * kChunk - 1, 2 * kChunk, kChunk - 1,
                                     std::uint64_t{1} << 20, std::uint64_t{0}}) {
    Flip("large", offset);  // each in front of those before
    EXPECT_THAT(Message(), HasSubstr("large: byte " + std::to_string(offset) + " (line "));
  }
}

TEST_F(VerifierTest, ManyFiles) {
  for (std::uint64_t i = 0; i < 300; ++i) AddFile(std::to_string(i), i, i * 41);
  options_.threads = 8;
  EXPECT_EQ(Message(), "0 differences");
  Flip("299", 0);
  EXPECT_THAT(Message(), HasSubstr("299: byte 0"));
}

TEST_F(VerifierTest, AFileAlikeInSamplesOnlyIsNotRenamed) {
  AddFile("a", 1, kChunk);
  fs::rename(out_ + "/a", out_ + "/b");
  EXPECT_EQ(Message(), "a: file is called 'b'");
  Flip("b", kChunk / 2 + 12'345);  // between samples
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->differences.size(), 2u);
  EXPECT_EQ(report->differences[0].kind, DifferenceKind::kMissing);
  EXPECT_EQ(report->differences[1].kind, DifferenceKind::kExtra);
}

TEST_F(VerifierTest, ExchangedFilesAreNamed) {
  AddFile("a", 1, 1000);
  AddFile("b", 2, 1000);
  AddFile("c", 3, 1000);
  fs::rename(out_ + "/a", out_ + "/x");
  fs::rename(out_ + "/b", out_ + "/a");
  fs::rename(out_ + "/x", out_ + "/b");
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->differences.size(), 2u);
  EXPECT_THAT(report->differences[0].message, HasSubstr("the file holds what 'b' should"));
  EXPECT_THAT(report->differences[1].message, HasSubstr("the file holds what 'a' should"));
}

TEST_F(VerifierTest, TensorsWithoutElementsAndScalars) {
  std::vector<NamedTensor> tensors;
  tensors.push_back({"empty", Tensor::Zeros(Dtype::kI64, {0, 3}).value()});
  tensors.push_back({"scalar", Tensor::Zeros(Dtype::kF32, {}).value()});
  tensors.push_back({"small", Tensor::Zeros(Dtype::kI8, {2, 2}).value()});
  auto made = MakeTensorFile(tensors, nullptr);
  ASSERT_TRUE(made.ok()) << made.status();
  std::string bytes((*made)->size(), '\0');
  ASSERT_TRUE((*made)->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
  ASSERT_TRUE(builder_.AddFile("t", RankSet::All(1), std::move(*made)).ok());
  WriteFile(out_ + "/t", bytes);
  EXPECT_EQ(Message(), "0 differences");

  std::string changed = bytes;
  changed[bytes.size() - 5] = '\x80';
  WriteFile(out_ + "/t", changed);
  EXPECT_EQ(Message(), "t: tensor 'scalar' (F32 []), index []: expected 0.0 (0x00000000), found -0.0 (0x80000000)");
  changed = bytes;
  changed[bytes.size() - 2] = '\xff';
  WriteFile(out_ + "/t", changed);
  EXPECT_EQ(Message(), "t: tensor 'small' (I8 [2, 2]), index [1, 0]: expected 0, found -1");
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{20}}) {
    WriteFile(out_ + "/t", bytes.substr(0, size));
    EXPECT_THAT(Message(), HasSubstr("t: ")) << size;
  }
}

TEST_F(VerifierTest, AFailedReadOfTheViewNamesTheFile) {
  AddFile("good", 1, 100);
  AddFile("bad", 2, 100, [](std::uint64_t) { return Status::SourceChanged("the source 'x' was truncated"); });
  const auto report = Run();
  EXPECT_EQ(report.status().code(), StatusCode::kSourceChanged);
  EXPECT_THAT(std::string(report.status().message()), AllOf(HasSubstr("'bad'"), HasSubstr("'x' was truncated")));
}

TEST_F(VerifierTest, AFileThatChangesMeanwhileIsAnError) {
  AddFile("first", 1, 100, [this](std::uint64_t) {
    WriteFile(out_ + "/second", "other");
    return Status::Ok();
  });
  AddFile("second", 2, 100);
  options_.threads = 1;
  const auto report = Run();
  EXPECT_EQ(report.status().code(), StatusCode::kIoError) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("out/second' changed while it was compared"));
}

TEST_F(VerifierTest, Cancel) {
  AddFile("a", 1, 3 * kChunk, [this](std::uint64_t offset) {
    if (offset >= kChunk) stop_.request_stop();
    return Status::Ok();
  });
  options_.threads = 1;
  EXPECT_EQ(Run().status().code(), StatusCode::kCancelled);
}

TEST_F(VerifierTest, OnlyDirectoriesAreCompared) {
  tree_ = std::move(builder_).Build();
  WriteFile(root_ / "file", "x");
  for (const std::string& path : {root_ / "file", root_ / "none"}) {
    const auto verifier = Verifier::Create(tree_, path, options_);
    EXPECT_EQ(verifier.status().code(), StatusCode::kInvalidArgument) << path;
  }
}

TEST_F(VerifierTest, LinksThatLeadBackUpEnd) {
  ASSERT_TRUE(builder_.AddDirectory("d", RankSet::All(1)).ok());
  fs::create_directory(out_ + "/d");
  fs::create_symlink("..", out_ + "/d/up");
  fs::create_symlink("nowhere", out_ + "/dangling");
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->differences.size(), 1u) << "the view is one name deep";
  EXPECT_EQ(report->differences[0].path, "dangling");
}

}  // namespace
}  // namespace shardfs
