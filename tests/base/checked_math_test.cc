#include "shardfs/base/checked_math.h"

#include <gtest/gtest.h>

#include <limits>

namespace shardfs {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(CheckedMathTest, AddSaysWhenItWouldWrap) {
  EXPECT_EQ(CheckedAdd(kMax - 1, 1), kMax);
  EXPECT_EQ(CheckedAdd(kMax, 1), std::nullopt);
}

TEST(CheckedMathTest, MulSaysWhenItWouldWrap) {
  EXPECT_EQ(CheckedMul(std::uint64_t{1} << 32, (std::uint64_t{1} << 32) - 1), kMax - 0xFFFFFFFF);
  EXPECT_EQ(CheckedMul(std::uint64_t{1} << 32, std::uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedMul(kMax, 0), 0u);
}

TEST(CheckedMathTest, CeilDivRoundsUpWithoutOverflow) {
  EXPECT_EQ(CeilDiv(0, 4), 0u);
  EXPECT_EQ(CeilDiv(8, 4), 2u);
  EXPECT_EQ(CeilDiv(9, 4), 3u);
  EXPECT_EQ(CeilDiv(kMax, 2), (std::uint64_t{1} << 63));
}

}  // namespace
}  // namespace shardfs
