#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/ckpt/ckpt_forms.h"
#include "shardfs/format/ckpt/ckpt.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

// The file that the pieces describe.
std::string Assemble(const CkptPieces& pieces, const std::vector<std::string>& contents) {
  std::string file;
  for (const CkptPiece& piece : pieces.pieces) {
    EXPECT_EQ(piece.offset, file.size());
    file += pieces.text.substr(piece.text_begin, piece.text_size);
    file += contents[piece.tensor].substr(piece.begin, piece.size);
  }
  EXPECT_EQ(pieces.file_size, file.size());
  return file;
}

TEST(CkptWrite, WritesWhatMindSpore23Writes) {
  const std::vector<std::string> contents = {std::string(1000, 'a'), "12345678", "", std::string(257, 'b')};
  const std::vector<NewCkptTensor> tensors = {{"model.weight", Dtype::kBF16, {20, 25}},
                                              {"epoch_num", Dtype::kI64, {}},
                                              {"empty", Dtype::kF32, {0, 3}},
                                              {"int4", Dtype::kI8, {257}, true}};
  for (const std::uint64_t chunk :
       {std::uint64_t{1} << 29, std::uint64_t{1000}, std::uint64_t{999}, std::uint64_t{3}}) {
    const auto pieces = LayOutCkpt(tensors, chunk);
    ASSERT_TRUE(pieces.ok()) << pieces.status();
    const std::vector<FormTensor> expected = {{"model.weight", "BFloat16", {20, 25}, contents[0], 2},
                                              {"epoch_num", "Int64", {}, contents[1], 8},
                                              {"empty", "Float32", {0, 3}, "", 4},
                                              {"int4", "Int4", {257}, contents[3], 1}};
    EXPECT_EQ(Assemble(*pieces, contents), FormFile(expected, CkptForm::k23, chunk)) << chunk;
  }
}

TEST(CkptWrite, SizesBeyondMemoryAreExact) {
  const auto pieces = LayOutCkpt(std::vector<NewCkptTensor>{{"t", Dtype::kF32, {1 << 20, 1 << 20}}});
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_EQ(pieces->pieces.size(), std::size_t{1} << 13);
  const std::uint64_t framing = pieces->text.size() / pieces->pieces.size();
  EXPECT_EQ(pieces->file_size, (std::uint64_t{1} << 42) + framing * pieces->pieces.size());
}

TEST(CkptWrite, RefusesWhatMindSporeCannotLoad) {
  const auto refusal = [](const NewCkptTensor& tensor, std::uint64_t chunk = kCkptChunkBytes) {
    const auto pieces = LayOutCkpt(std::span(&tensor, 1), chunk);
    EXPECT_FALSE(pieces.ok());
    return pieces.ok() ? std::string() : std::string(pieces.status().message());
  };
  EXPECT_THAT(refusal({"t", Dtype::kF8E4M3, {1}}), HasSubstr("cannot hold F8_E4M3"));
  EXPECT_THAT(refusal({"t", Dtype::kC64, {1}}), HasSubstr("cannot hold C64"));
  EXPECT_THAT(refusal({"t", Dtype::kF32, {1}, true}), HasSubstr("cannot hold F32"));
  EXPECT_THAT(refusal({"t", Dtype::kI8, {std::uint64_t{1} << 31}}), HasSubstr("cannot hold the shape"));
  EXPECT_THAT(refusal({"", Dtype::kI8, {1}}), HasSubstr("name is empty"));
  EXPECT_THAT(refusal({"\xFF", Dtype::kI8, {1}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal({"t", Dtype::kI8, {1}}, 0), HasSubstr("a chunk of 0 bytes"));
  EXPECT_THAT(refusal({"t", Dtype::kI8, {1}}, std::uint64_t{2} << 30), HasSubstr("below 2 GiB"));
  const std::vector<NewCkptTensor> twice = {{"t", Dtype::kI8, {1}}, {"t", Dtype::kI8, {1}}};
  EXPECT_FALSE(LayOutCkpt(twice).ok());
}

}  // namespace
}  // namespace shardfs::testing
