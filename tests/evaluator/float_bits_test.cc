#include "evaluator/float_bits.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace shardfs::evaluator {
namespace {

TEST(FloatBitsTest, EveryPatternOf16BitsComesBack) {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16}) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      const double value = ToDouble(dtype, bits);
      if (std::isnan(value)) continue;
      ASSERT_EQ(Round(dtype, value), bits);
    }
  }
}

TEST(FloatBitsTest, F32IsTheMachinesFloat) {
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    const std::uint32_t bits = i * 2'654'435'761u;  // spread over all patterns
    const float value = std::bit_cast<float>(bits);
    if (std::isnan(value)) continue;
    ASSERT_EQ(ToDouble(Dtype::kF32, bits), value);
    ASSERT_EQ(Round(Dtype::kF32, static_cast<double>(value) * 1.0000000123),
              std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<double>(value) * 1.0000000123)));
  }
}

TEST(FloatBitsTest, RoundsTiesToEven) {
  EXPECT_EQ(CastBits(Dtype::kF32, Dtype::kBF16, 0x3F808000), 0x3F80u);
  EXPECT_EQ(CastBits(Dtype::kF32, Dtype::kBF16, 0x3F818000), 0x3F82u);
  EXPECT_EQ(CastBits(Dtype::kF32, Dtype::kBF16, 0x3F808001), 0x3F81u);
  EXPECT_EQ(CastBits(Dtype::kF32, Dtype::kBF16, 0x7F7FFFFF), 0x7F80u);
  EXPECT_EQ(Round(Dtype::kF16, 65519.99), 0x7BFFu);
  EXPECT_EQ(Round(Dtype::kF16, 65520.0), 0x7C00u);
  EXPECT_EQ(Round(Dtype::kF16, std::ldexp(1.0, -25)), 0x0000u);  // half of the smallest subnormal
  EXPECT_EQ(Round(Dtype::kF16, std::ldexp(1.5, -24)), 0x0002u);
  EXPECT_EQ(Round(Dtype::kF16, -0.0), 0x8000u);
}

}  // namespace
}  // namespace shardfs::evaluator
