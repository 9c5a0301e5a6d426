// Every code by many scales, against the definition in double arithmetic.
#include "tensor/fp8_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace shardfs {
namespace {

// The value by its three fields, without a table.
double DefinedValue(unsigned code) {
  const unsigned exponent = code >> 3 & 15;
  const unsigned mantissa = code & 7;
  if ((code & 0x7f) == 0x7f) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude =
      exponent == 0 ? mantissa * std::pow(2.0, -9) : (8 + mantissa) * std::pow(2.0, static_cast<int>(exponent) - 10);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

// A finite F32 to BF16, nearest even: the neighbour below, the one above, and which of them is nearer.
std::uint16_t DefinedRounding(float value) {
  if (std::isnan(value)) return 0x7FC0;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto below = static_cast<std::uint16_t>(bits >> 16);
  if (std::isinf(value)) return below;
  const std::uint32_t rest = bits & 0xffff;
  if (rest > 0x8000 || (rest == 0x8000 && (below & 1) != 0)) return static_cast<std::uint16_t>(below + 1);
  return below;
}

std::uint16_t Defined(unsigned code, float scale) {
  // The double product of two floats is exact but for range, so it rounds to F32 as the F32 product does.
  return DefinedRounding(static_cast<float>(DefinedValue(code) * static_cast<double>(scale)));
}

std::vector<float> Scales() {
  std::vector<float> scales = {0.0f,
                               -0.0f,
                               1.0f,
                               -1.0f,
                               0x1p-149f,
                               -0x1p-149f,
                               0x1p-140f,
                               0x1.8p-127f,
                               0x1p-126f,
                               0x1p-118f,
                               0x1.fffffep119f,
                               0x1p120f,
                               0x1.8p125f,
                               std::numeric_limits<float>::max(),
                               -std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN()};
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) scales.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  return scales;
}

void ExpectAsDefined(E4M3ScaleKernel kernel, const char* name) {
  std::mt19937 random(7);
  for (const float scale : Scales()) {
    // Lengths around the lanes of a vector, and one that is worth a table.
    for (const std::size_t count : {std::size_t{1} + random() % 40, std::size_t{256}, std::size_t{777}}) {
      std::vector<std::byte> codes(count + 1);
      const unsigned first = random() % 256;
      for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::byte>(first + i * 37);
      std::vector<std::byte> output(2 * count + 1, std::byte{0x5a});
      kernel(codes.data() + 1, scale, output.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t result = 0;
        std::memcpy(&result, output.data() + 2 * i, sizeof result);
        const auto code = std::to_integer<unsigned>(codes[i + 1]);
        ASSERT_EQ(result, Defined(code, scale)) << name << ": code " << code << " by " << scale;
      }
      ASSERT_EQ(output[2 * count], std::byte{0x5a}) << name << " writes behind its output";
    }
  }
}

TEST(Fp8Kernels, EveryCodeByManyScales) {
  ExpectAsDefined(FindBaselineE4M3ScaleKernel(), "baseline");
  ExpectAsDefined(FindE4M3ScaleKernel(), "this processor's");
}

TEST(Fp8Kernels, BothRoundingsHappen) {
  // Found by search: one rounding of the exact product gives another BF16 than two.
  unsigned differ = 0;
  std::mt19937 random(3);
  for (int i = 0; i < 2'000'000 && differ == 0; ++i) {
    const auto scale = std::bit_cast<float>(0x3f000000u | (static_cast<std::uint32_t>(random()) & 0x7fffffu));
    const double exact = DefinedValue(0x3b) * static_cast<double>(scale);
    const double unit = std::ldexp(1.0, std::ilogb(exact) - 7);
    const auto once = static_cast<float>(std::nearbyint(exact / unit) * unit);
    if (std::bit_cast<std::uint32_t>(once) >> 16 == ScaleE4M3(0x3b, scale)) continue;
    ++differ;
    EXPECT_EQ(ScaleE4M3(0x3b, scale), Defined(0x3b, scale));
  }
  EXPECT_EQ(differ, 1u) << "the search found none, so it tests nothing";
}

// At any place, in a vector or behind the last whole one.
TEST(Fp8Kernels, NanCodesAreFound) {
  for (const E4M3ScaleKernel kernel : {FindBaselineE4M3ScaleKernel(), FindE4M3ScaleKernel()}) {
    for (const std::size_t count : {std::size_t{37}, std::size_t{1000}}) {
      std::vector<std::byte> codes(count);
      for (std::size_t i = 0; i < count; ++i) codes[i] = static_cast<std::byte>(i % 0x7f | (i % 2 != 0 ? 0x80 : 0));
      std::vector<std::byte> output(2 * count);
      EXPECT_FALSE(kernel(codes.data(), 1.5f, output.data(), count));
      for (std::size_t at = 0; at < count; ++at) {
        auto one = codes;
        one[at] = static_cast<std::byte>(at % 2 == 0 ? 0x7f : 0xff);
        ASSERT_TRUE(kernel(one.data(), 1.5f, output.data(), count)) << at << " of " << count;
      }
    }
  }
}

}  // namespace
}  // namespace shardfs
