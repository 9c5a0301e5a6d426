#include "verify/verifier_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace shardfs {
namespace {

using ::testing::Pair;

template <typename T>
std::string Bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <typename T>
std::string Formatted(Dtype dtype, T value) {
  const std::string bytes = Bytes(value);
  return FormatElement(dtype, std::as_bytes(std::span(bytes)));
}

template <typename T>
std::pair<std::string, std::string> Both(Dtype dtype, T expected, T actual) {
  const std::string left = Bytes(expected);
  const std::string right = Bytes(actual);
  return FormatElements(dtype, std::as_bytes(std::span(left)), std::as_bytes(std::span(right)));
}

TEST(VerifierValueTest, Integers) {
  EXPECT_EQ(Formatted(Dtype::kI8, std::int8_t{-128}), "-128");
  EXPECT_EQ(Formatted(Dtype::kU8, std::uint8_t{255}), "255");
  EXPECT_EQ(Formatted(Dtype::kBool, std::uint8_t{1}), "1");
  EXPECT_EQ(Formatted(Dtype::kI16, std::int16_t{-2}), "-2");
  EXPECT_EQ(Formatted(Dtype::kU16, std::uint16_t{65535}), "65535");
  EXPECT_EQ(Formatted(Dtype::kI32, std::numeric_limits<std::int32_t>::min()), "-2147483648");
  EXPECT_EQ(Formatted(Dtype::kU32, 4294967295u), "4294967295");
  EXPECT_EQ(Formatted(Dtype::kI64, std::int64_t{-5}), "-5");
  EXPECT_EQ(Formatted(Dtype::kU64, std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
}

TEST(VerifierValueTest, Floats) {
  EXPECT_EQ(Formatted(Dtype::kF32, 1.0f), "1.0");
  EXPECT_EQ(Formatted(Dtype::kF32, 0.1f), "0.1");
  EXPECT_EQ(Formatted(Dtype::kF64, 0.1), "0.1");
  EXPECT_EQ(Formatted(Dtype::kBF16, std::uint16_t{0x3FC0}), "1.5");
  EXPECT_EQ(Formatted(Dtype::kF16, std::uint16_t{0x3E00}), "1.5");
  EXPECT_EQ(Formatted(Dtype::kF16, std::uint16_t{0x8000}), "-0.0");
  EXPECT_EQ(Formatted(Dtype::kF32, -std::numeric_limits<float>::infinity()), "-inf");
}

TEST(VerifierValueTest, NeighboursLookDifferent) {
  std::string before;
  for (std::uint32_t bits = 0x3F80; bits < 0x4080; ++bits) {
    const std::string text = Formatted(Dtype::kBF16, static_cast<std::uint16_t>(bits));
    EXPECT_NE(text, before);
    before = text;
  }
}

TEST(VerifierValueTest, OthersAsBits) {
  EXPECT_EQ(Formatted(Dtype::kF8E4M3, std::uint8_t{0x3F}), "0x3f");
  EXPECT_EQ(Formatted(Dtype::kC64, std::uint64_t{0x0102030405060708}), "0x0102030405060708");
}

TEST(VerifierValueTest, BitsWhereTheTextDoesNotTell) {
  EXPECT_THAT(Both(Dtype::kF32, 0.0f, -0.0f), Pair("0.0 (0x00000000)", "-0.0 (0x80000000)"));
  EXPECT_THAT(Both<std::uint16_t>(Dtype::kBF16, 0x7FC0, 0x7FC1), Pair("nan (0x7fc0)", "nan (0x7fc1)"));
  EXPECT_THAT(Both<std::uint16_t>(Dtype::kF16, 0x7E00, 0xFE00), Pair("nan (0x7e00)", "-nan (0xfe00)"));
  EXPECT_THAT(Both(Dtype::kF32, 0.0f, 0.5f), Pair("0.0", "0.5"));
  EXPECT_THAT(Both(Dtype::kF32, 0.5f, -0.5f), Pair("0.5", "-0.5"));
}

TEST(VerifierValueTest, Indices) {
  EXPECT_EQ(IndexOf({2, 3, 4}, 0), (Shape{0, 0, 0}));
  EXPECT_EQ(IndexOf({2, 3, 4}, 23), (Shape{1, 2, 3}));
  EXPECT_EQ(IndexOf({2, 3, 4}, 13), (Shape{1, 0, 1}));
  EXPECT_EQ(IndexOf({5}, 4), (Shape{4}));
  EXPECT_EQ(IndexOf({}, 0), Shape{});
}

}  // namespace
}  // namespace shardfs
