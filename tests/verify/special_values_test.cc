#include "verify/special_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace shardfs {
namespace {

SpecialValues Count(Dtype dtype, const std::string& bytes) {
  return CountSpecialValues(dtype, std::as_bytes(std::span(bytes)));
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// What each of the 256 or 65,536 codes is, by the formats' own definitions: OCP's 8-bit floats, IEEE 754's half, and
// the upper half of a float32.
TEST(SpecialValuesTest, EveryCodeOfTheSmallTypes) {
  for (unsigned code = 0; code < 256; ++code) {
    const std::string byte(1, static_cast<char>(code));
    EXPECT_EQ(Count(Dtype::kF8E4M3, byte).nan, (code & 0x7F) == 0x7F) << code;
    EXPECT_EQ(Count(Dtype::kF8E4M3, byte).infinite, 0u) << code;
    EXPECT_EQ(Count(Dtype::kF8E5M2, byte).nan, (code & 0x7F) > 0x7C) << code;
    EXPECT_EQ(Count(Dtype::kF8E5M2, byte).infinite, (code & 0x7F) == 0x7C) << code;
    EXPECT_EQ(Count(Dtype::kF8E8M0, byte).nan, code == 0xFF) << code;
    EXPECT_EQ(Count(Dtype::kF8E8M0, byte).infinite, 0u) << code;
  }
  for (unsigned code = 0; code < 65536; ++code) {
    const std::string bytes = Bytes(std::vector<std::uint16_t>{static_cast<std::uint16_t>(code)});
    EXPECT_EQ(Count(Dtype::kF16, bytes).nan, (code & 0x7FFF) > 0x7C00) << code;
    EXPECT_EQ(Count(Dtype::kF16, bytes).infinite, (code & 0x7FFF) == 0x7C00) << code;
    float as_float = 0;
    const std::uint32_t wide = code << 16;
    std::memcpy(&as_float, &wide, sizeof(as_float));
    EXPECT_EQ(Count(Dtype::kBF16, bytes).nan, std::isnan(as_float)) << code;
    EXPECT_EQ(Count(Dtype::kBF16, bytes).infinite, std::isinf(as_float)) << code;
  }
}

template <typename T, typename Bits>
void ExpectCountsOfRandomBits(Dtype dtype) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<T> values(random() % 70);
    SpecialValues expected;
    for (T& value : values) {
      Bits bits = static_cast<Bits>(random());
      const T infinity = std::numeric_limits<T>::infinity();
      if (random() % 8 == 0) std::memcpy(&bits, &infinity, sizeof(bits));
      if (random() % 16 == 0) bits |= 1;
      std::memcpy(&value, &bits, sizeof(value));
      expected.nan += std::isnan(value) ? 1 : 0;
      expected.infinite += std::isinf(value) ? 1 : 0;
    }
    const SpecialValues counted = Count(dtype, Bytes(values));
    EXPECT_EQ(counted.nan, expected.nan);
    EXPECT_EQ(counted.infinite, expected.infinite);
  }
}

TEST(SpecialValuesTest, WideTypesAsTheProcessorSeesThem) {
  ExpectCountsOfRandomBits<float, std::uint32_t>(Dtype::kF32);
  ExpectCountsOfRandomBits<float, std::uint32_t>(Dtype::kC64);
  ExpectCountsOfRandomBits<double, std::uint64_t>(Dtype::kF64);
}

// Blocks of 64 bytes are told at once: every code at every place of one, among ordinary values.
TEST(SpecialValuesTest, OneAmongMany) {
  for (const Dtype dtype : {Dtype::kF8E4M3, Dtype::kF8E5M2, Dtype::kF8E8M0, Dtype::kF16, Dtype::kBF16}) {
    const std::size_t width = SpecialValueBytes(dtype);
    for (std::size_t place = 0; place < 200 / width; ++place) {
      std::string bytes(200, '\x30');
      EXPECT_FALSE(Count(dtype, bytes).any());
      bytes.replace(place * width, width, std::string(width, '\xFF'));
      EXPECT_EQ(Count(dtype, bytes).nan, 1u) << place;
    }
  }
}

TEST(SpecialValuesTest, IntegersHaveNone) {
  for (const Dtype dtype : {Dtype::kBool, Dtype::kI8, Dtype::kU8, Dtype::kI32, Dtype::kI64, Dtype::kF4}) {
    EXPECT_EQ(SpecialValueBytes(dtype), 0u);
  }
}

}  // namespace
}  // namespace shardfs
