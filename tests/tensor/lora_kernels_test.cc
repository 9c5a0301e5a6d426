// Every kernel of this processor against the chain as it is defined.
#include "tensor/lora_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace shardfs {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class LoraKernels : public ::testing::Test {
 protected:
  // Numbers of ordinary size, all bits (subnormals, NaN and huge ones among them), zeros of both signs.
  float Value() {
    switch (random_() % 16) {
      case 0:
        return std::bit_cast<float>(static_cast<std::uint32_t>(random_()));
      case 1:
        return random_() % 2 == 0 ? 0.0f : -0.0f;
      case 2:
        return std::ldexp(1.0f, -140) * static_cast<float>(random_() % 16);
      default:
        return std::ldexp(static_cast<float>(random_() % 20'001) - 10'000.0f, -13);
    }
  }

  std::vector<float> Values(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = Value();
    return values;
  }

  static bool IsSame(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
  }

  std::mt19937_64 random_{18};
};

TEST_F(LoraKernels, EachContinuesTheChain) {
  for (const std::size_t rank : {0u, 1u, 2u, 7u, 16u, 33u, 128u}) {
    for (std::size_t row_count = 1; row_count <= kLoraTileRows; ++row_count) {
      const std::size_t stride = rank + random_() % 3;
      const std::size_t sum_stride = kLoraTileColumns + random_() % 3;
      const std::vector<float> rows = Values(kLoraTileRows * stride + 1);
      const std::vector<float> columns = Values(rank * kLoraTileColumns + 1);
      const std::vector<float> before = Values(kLoraTileRows * sum_stride);
      for (const NamedLoraSumKernel& tested : LoraSumKernels()) {
        std::vector<float> sums = before;
        tested.kernel({rows.data(), stride, row_count}, columns.data(), rank, sums.data(), sum_stride);
        for (std::size_t i = 0; i < sums.size(); ++i) {
          float expected = before[i];
          const std::size_t y = i / sum_stride;
          const std::size_t x = i % sum_stride;
          for (std::size_t k = 0; k < rank && y < row_count && x < kLoraTileColumns; ++k) {
            expected = std::fma(rows[y * stride + k], columns[k * kLoraTileColumns + x], expected);
          }
          ASSERT_TRUE(IsSame(sums[i], expected)) << tested.name << ", rank " << rank << ", row " << y << ", column "
                                                 << x << ": " << sums[i] << ", not " << expected;
        }
      }
    }
  }
}

// A product and a sum with two roundings would give 0: the product rounds to 1.
TEST_F(LoraKernels, EachRoundsOnceAStep) {
  const float above = 1.0f + 0x1p-12f;
  const float below = 1.0f - 0x1p-12f;
  const std::vector<float> columns(kLoraTileColumns, below);
  for (const NamedLoraSumKernel& tested : LoraSumKernels()) {
    std::vector<float> sums(kLoraTileColumns, -1.0f);
    tested.kernel({&above, 1, 1}, columns.data(), 1, sums.data(), kLoraTileColumns);
    for (const float sum : sums) ASSERT_EQ(sum, -0x1p-24f) << tested.name;
  }
}

TEST_F(LoraKernels, ProductsAreAddedWithTwoRoundings) {
  for (std::size_t count = 0; count < 70; ++count) {
    const std::vector<float> sums = Values(count + 1);
    const std::vector<float> before = Values(count + 1);
    const float scale = Value();
    std::vector<float> values = before;
    AddLoraProducts(sums.data(), scale, values.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const volatile float product = sums[i] * scale;
      const float expected = before[i] + product;
      if (std::isnan(expected)) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), 0x7FC00000u);
      } else {
        ASSERT_TRUE(IsSame(values[i], expected)) << sums[i] << " * " << scale << " + " << before[i];
      }
    }
    ASSERT_TRUE(IsSame(values[count], before[count])) << "writes behind its output";
  }
}

TEST_F(LoraKernels, SpecialValues) {
  const auto merged = [](float value, float sum, float scale) {
    AddLoraProducts(&sum, scale, &value, 1);
    return std::bit_cast<std::uint32_t>(value);
  };
  EXPECT_EQ(merged(-0.0f, 0.0f, 2.0f), 0u);            // a zero product changes a base of -0
  EXPECT_EQ(merged(-0.0f, 0.0f, -2.0f), 0x80000000u);  // and a product of -0 does not
  EXPECT_EQ(merged(0x1p-149f, 0x1p-149f, 1.0f), 2u);   // subnormals are kept
  EXPECT_EQ(merged(kInfinity, -kInfinity, 1.0f), 0x7FC00000u);
  EXPECT_EQ(merged(-kInfinity, 1.0f, 1.0f), 0xFF800000u);
  EXPECT_EQ(merged(1.0f, -std::numeric_limits<float>::quiet_NaN(), 1.0f), 0x7FC00000u);
}

}  // namespace
}  // namespace shardfs
