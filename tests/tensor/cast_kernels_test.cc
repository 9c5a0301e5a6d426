#include "shardfs/tensor/cast_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

namespace shardfs {
namespace {

float AsFloat(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// All 16-bit values go up and come back as they were, but for signalling NaNs, which come back quiet.
TEST(CastKernels, EverySixteenBitValueSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto narrow = static_cast<std::uint16_t>(bits);
    const bool f16_nan = (bits & 0x7fffu) > 0x7c00u;
    const bool bf16_nan = (bits & 0x7fffu) > 0x7f80u;
    ASSERT_EQ(F32ToF16(F16ToF32(narrow)), f16_nan ? (bits | 0x0200u) : bits) << bits;
    ASSERT_EQ(F32ToBF16(BF16ToF32(narrow)), bf16_nan ? (bits | 0x0040u) : bits) << bits;
  }
}

TEST(CastKernels, HalfWidensToTheValueThatItsFieldsSay) {
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const std::uint32_t exponent = bits >> 10;
    const std::uint32_t mantissa = bits & 0x3ff;
    const double expected =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, static_cast<int>(exponent) - 25);
    ASSERT_EQ(static_cast<double>(AsFloat(F16ToF32(static_cast<std::uint16_t>(bits)))), expected) << bits;
  }
  EXPECT_EQ(F16ToF32(0x7c00), 0x7f800000u);
  EXPECT_EQ(F16ToF32(0xfc00), 0xff800000u);
}

// Between two neighbouring 16-bit values: just below the middle rounds down, the middle to even, just above up.
TEST(CastKernels, NarrowingRoundsToNearestTiesToEvenBetweenAllNeighbours) {
  for (std::uint32_t low = 0; low < 0x7c00; ++low) {
    const double below = AsFloat(F16ToF32(static_cast<std::uint16_t>(low)));
    const double above =
        low + 1 == 0x7c00 ? 65536.0 : static_cast<double>(AsFloat(F16ToF32(static_cast<std::uint16_t>(low + 1))));
    const float middle = static_cast<float>((below + above) / 2);  // exact: F32 has 13 more bits
    const std::uint32_t even = (low & 1u) == 0 ? low : low + 1;
    ASSERT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(middle)), even) << low;
    ASSERT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(std::nextafterf(middle, 0.0f))), low) << low;
    ASSERT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(std::nextafterf(middle, 1e30f))), low + 1) << low;
  }
  for (std::uint32_t low = 0; low < 0x7f80; ++low) {
    const std::uint32_t middle = (low << 16) | 0x8000u;
    ASSERT_EQ(F32ToBF16(middle), (low & 1u) == 0 ? low : low + 1) << low;
    ASSERT_EQ(F32ToBF16(middle - 1), low) << low;
    ASSERT_EQ(F32ToBF16(middle + 1), low + 1) << low;
  }
}

TEST(CastKernels, NanKeepsSignAndLeadingPayloadAndBecomesQuiet) {
  EXPECT_EQ(F32ToBF16(0x7f800001u), 0x7fc0u);  // signalling, payload below what BF16 holds: still a NaN, not infinity
  EXPECT_EQ(F32ToBF16(0xffa50000u), 0xffe5u);
  EXPECT_EQ(F32ToF16(0x7f800001u), 0x7e00u);
  EXPECT_EQ(F32ToF16(0xff802000u), 0xfe01u);
  EXPECT_EQ(F16ToF32(0x7c01), 0x7fc02000u);
  EXPECT_EQ(BF16ToF32(0x7f81), 0x7f810000u);
}

TEST(CastKernels, OverflowIsInfinityAndUnderflowIsZeroOfTheSameSign) {
  EXPECT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(65519.996f)), 0x7bffu);
  EXPECT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(65520.0f)), 0x7c00u);
  EXPECT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(-1e30f)), 0xfc00u);
  EXPECT_EQ(F32ToF16(std::bit_cast<std::uint32_t>(-0x1p-26f)), 0x8000u);
  EXPECT_EQ(F32ToBF16(0x7f7fffffu), 0x7f80u);
  EXPECT_EQ(F32ToF16(0x80000000u), 0x8000u);
}

TEST(CastKernels, ArraysAtOddAddressesConvertElementByElement) {
  std::mt19937 random(7);
  std::vector<std::uint32_t> values(1001);
  for (auto& value : values) value = static_cast<std::uint32_t>(random());
  std::vector<std::byte> input(values.size() * 4 + 1);
  std::memcpy(input.data() + 1, values.data(), values.size() * 4);
  std::vector<std::byte> output(values.size() * 2 + 1);
  FindCastKernel(Dtype::kF32, Dtype::kBF16)(input.data() + 1, output.data() + 1, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t narrow;
    std::memcpy(&narrow, output.data() + 1 + i * 2, 2);
    ASSERT_EQ(narrow, F32ToBF16(values[i]));
  }
}

// What one element becomes by the functions that are written for reading.
std::uint32_t CastOne(Dtype from, Dtype to, std::uint32_t bits) {
  const std::uint32_t wide = from == Dtype::kF32   ? bits
                             : from == Dtype::kF16 ? F16ToF32(static_cast<std::uint16_t>(bits))
                                                   : BF16ToF32(static_cast<std::uint16_t>(bits));
  if (to == Dtype::kF32) return wide;
  return to == Dtype::kF16 ? F32ToF16(wide) : F32ToBF16(wide);
}

void ExpectKernelsAgree(Dtype from, Dtype to, const std::vector<std::uint32_t>& values) {
  const std::size_t in = DtypeBytes(from);
  const std::size_t out = DtypeBytes(to);
  std::vector<std::byte> input(values.size() * in);
  for (std::size_t i = 0; i < values.size(); ++i) std::memcpy(input.data() + i * in, &values[i], in);
  for (const CastKernel kernel : {FindCastKernel(from, to), FindBaselineCastKernel(from, to)}) {
    std::vector<std::byte> output(values.size() * out);
    kernel(input.data(), output.data(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint32_t actual = 0;
      std::memcpy(&actual, output.data() + i * out, out);
      ASSERT_EQ(actual, CastOne(from, to, values[i])) << DtypeName(from) << " to " << DtypeName(to) << " " << values[i];
    }
  }
}

TEST(CastKernels, VectorKernelsGiveTheSameBitsForEverySixteenBitValue) {
  std::vector<std::uint32_t> values(65536);
  for (std::uint32_t i = 0; i < 65536; ++i) values[i] = i;
  for (const Dtype from : {Dtype::kF16, Dtype::kBF16}) {
    for (const Dtype to : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
      if (from != to) ExpectKernelsAgree(from, to, values);
    }
  }
}

// Every exponent and sign, with mantissas around each place where rounding turns, and many in between.
TEST(CastKernels, VectorKernelsGiveTheSameBitsForF32) {
  std::vector<std::uint32_t> values;
  std::mt19937 random(11);
  for (std::uint32_t top = 0; top < 512; ++top) {
    for (std::uint32_t edge = 0; edge <= 0x7fffff; edge += 0x1000) {
      for (const std::uint32_t delta : {0u, 1u, 0xfffu}) values.push_back(top << 23 | ((edge + delta) & 0x7fffffu));
    }
    for (int i = 0; i < 500; ++i) values.push_back(top << 23 | (static_cast<std::uint32_t>(random()) & 0x7fffffu));
  }
  ExpectKernelsAgree(Dtype::kF32, Dtype::kF16, values);
  ExpectKernelsAgree(Dtype::kF32, Dtype::kBF16, values);
}

// Floats at an odd stride over the whole range, NaN and infinity included; SHARDFS_CAST_STRIDE=1 takes all of them, in
// some minutes.
TEST(CastKernels, VectorKernelsGiveTheSameBitsAllOverF32) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  const char* const text = std::getenv("SHARDFS_CAST_STRIDE");
  const std::uint64_t stride = text == nullptr ? 509 : std::strtoull(text, nullptr, 10);
  ASSERT_GT(stride, 0u);
  std::uint64_t tried = 0;
  std::vector<std::uint32_t> values;
  for (std::uint64_t bits = 0; bits >> 32 == 0;) {
    values.clear();
    for (; values.size() < kBlock && bits >> 32 == 0; bits += stride)
      values.push_back(static_cast<std::uint32_t>(bits));
    tried += values.size();
    ExpectKernelsAgree(Dtype::kF32, Dtype::kF16, values);
    ExpectKernelsAgree(Dtype::kF32, Dtype::kBF16, values);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_EQ(tried, ((std::uint64_t{1} << 32) + stride - 1) / stride);
}

// What is left over behind the last whole vector, and nothing beyond it.
TEST(CastKernels, VectorKernelsWriteAsManyElementsAsAsked) {
  constexpr Dtype kFloats[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};
  std::vector<std::byte> input(40 * 4);
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::byte>(i * 7 + 1);
  for (const Dtype from : kFloats) {
    for (const Dtype to : kFloats) {
      if (from == to) continue;
      for (std::size_t count = 0; count <= 35; ++count) {
        std::vector<std::byte> fast(40 * 4, std::byte{0x5a});
        std::vector<std::byte> plain = fast;
        FindCastKernel(from, to)(input.data() + 1, fast.data() + 3, count);
        FindBaselineCastKernel(from, to)(input.data() + 1, plain.data() + 3, count);
        ASSERT_EQ(fast, plain) << DtypeName(from) << " to " << DtypeName(to) << ", " << count;
        ASSERT_EQ(fast[3 + count * DtypeBytes(to)], std::byte{0x5a});
      }
    }
  }
}

TEST(CastKernels, ThereIsAKernelForEachPairOfFloatsAndNoOther) {
  constexpr Dtype kFloats[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};
  for (const Dtype from : kFloats) {
    for (const Dtype to : kFloats) EXPECT_EQ(FindCastKernel(from, to) != nullptr, from != to);
    EXPECT_EQ(FindCastKernel(from, Dtype::kI8), nullptr);
    EXPECT_EQ(FindCastKernel(Dtype::kF8E4M3, from), nullptr);
  }
}

}  // namespace
}  // namespace shardfs
