#include "verify/lost_bytes.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

constexpr std::uint64_t kMatrixBytes = 4 * 100 * 100;

// A matrix, a bias of zeros, a column of zeros, a matrix, a mask; one behind the other from byte 1000.
class LostBytesTest : public ::testing::Test {
 protected:
  LostBytesTest() {
    std::uint64_t at = 1000;
    for (std::uint32_t i = 0; i < specs_.size(); ++i) {
      ranges_.push_back({at, BytesOf(specs_[i]), i, 0});
      at += BytesOf(specs_[i]);
    }
  }
  ZeroVerdict Judge(std::vector<ZeroRun> runs) const { return JudgeZeros(runs, ranges_, specs_); }
  std::uint64_t Begin(std::size_t tensor) const { return ranges_[tensor].offset; }
  std::uint64_t End(std::size_t tensor) const { return ranges_[tensor].offset + ranges_[tensor].size; }

  const std::vector<TensorSpec> specs_ = {{"m", Dtype::kF32, {100, 100}},
                                          {"bias", Dtype::kF32, {4096}},
                                          {"offset", Dtype::kF32, {8, 1024, 1}},
                                          {"n", Dtype::kF32, {100, 100}},
                                          {"mask", Dtype::kBool, {100, 100}}};
  std::vector<TensorRange> ranges_;
};

TEST_F(LostBytesTest, VectorsAndMasksMayBeZero) {
  // The last bytes of the matrix before and the first of the one behind are zero by chance.
  const ZeroVerdict verdict = Judge({{Begin(1) - 2, End(2) + 2}, {Begin(4) + 10, End(4)}});
  EXPECT_TRUE(verdict.lost.empty());
  EXPECT_EQ(verdict.tensors_of_zeros, 4u - 1);  // the two vectors, and the mask
}

TEST_F(LostBytesTest, ABlockOfAMatrixIsLost) {
  const ZeroVerdict verdict = Judge({{2000, 2000 + 4096}, {10000, 20000}});
  ASSERT_EQ(verdict.lost.size(), 1u);
  EXPECT_EQ(verdict.lost[0].tensor, 0u);
  EXPECT_EQ(verdict.lost[0].offset, 2000u);
  EXPECT_EQ(verdict.lost[0].bytes, 4096u + 10000u);
  EXPECT_EQ(verdict.lost[0].runs, 2u);
}

TEST_F(LostBytesTest, AWholeMatrixIsLost) {
  const ZeroVerdict verdict = Judge({{Begin(3), Begin(3) + kMatrixBytes}});
  ASSERT_EQ(verdict.lost.size(), 1u);
  EXPECT_EQ(verdict.lost[0].tensor, 3u);
}

TEST_F(LostBytesTest, APartOfAVectorIsLost) { ASSERT_EQ(Judge({{Begin(1) + 100, End(1)}}).lost.size(), 1u); }

TEST_F(LostBytesTest, ARunOverSeveralTensorsIsOneLoss) {
  const ZeroVerdict verdict = Judge({{Begin(0) + 5000, Begin(3) + 9000}});
  ASSERT_EQ(verdict.lost.size(), 1u);
  EXPECT_EQ(verdict.lost[0].tensor, 0u);
  EXPECT_EQ(verdict.lost[0].tensors, 2u);
  EXPECT_EQ(verdict.lost[0].bytes, Begin(3) + 9000 - Begin(0) - 5000);
}

TEST_F(LostBytesTest, WhatLiesOutsideOfTensorsIsNone) {
  EXPECT_TRUE(Judge({{0, 900}, {End(4) + 1, End(4) + 9000}}).lost.empty());
}

}  // namespace
}  // namespace shardfs
