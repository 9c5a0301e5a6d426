#include "tensor/ops/from_integers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <random>
#include <vector>

#include "shardfs/tensor/cast_kernels.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/ops/to_integers.h"

namespace shardfs {
namespace {

template <typename T>
std::string BytesOfValues(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <typename T>
std::vector<T> Read(const Result<TensorPtr>& tensor) {
  EXPECT_TRUE(tensor.ok()) << tensor.status();
  const auto plan = LowerToPlan(*tensor);
  EXPECT_TRUE(plan.ok()) << plan.status();
  std::vector<T> values((*tensor)->elements());
  const Status read = plan->ReadAt(0, std::as_writable_bytes(std::span(values)));
  EXPECT_TRUE(read.ok()) << read;
  return values;
}

TensorPtr AllI8() {
  std::vector<std::int8_t> values;
  for (int i = -128; i < 128; ++i) values.push_back(static_cast<std::int8_t>(i));
  return Tensor::Literal(Dtype::kI8, {256}, BytesOfValues(values)).value();
}

TEST(FromIntegers, EveryI8IsItself) {
  const auto wide = Read<float>(ops::I8ToFloat(AllI8(), Dtype::kF32));
  const auto half = Read<std::uint16_t>(ops::I8ToFloat(AllI8(), Dtype::kF16));
  const auto brain = Read<std::uint16_t>(ops::I8ToFloat(AllI8(), Dtype::kBF16));
  for (int i = -128; i < 128; ++i) {
    const auto at = static_cast<std::size_t>(i + 128);
    EXPECT_EQ(wide[at], static_cast<float>(i));
    EXPECT_EQ(std::bit_cast<float>(F16ToF32(half[at])), static_cast<float>(i));
    EXPECT_EQ(std::bit_cast<float>(BF16ToF32(brain[at])), static_cast<float>(i));
  }
  EXPECT_EQ(Read<std::int8_t>(ops::TruncateToI8(*ops::I8ToFloat(AllI8(), Dtype::kBF16))), Read<std::int8_t>(AllI8()));
}

TEST(FromIntegers, BitsComeBackWhateverStandsAboveThem) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> stored;
  std::vector<std::uint32_t> expected;
  for (int i = 0; i < 1000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    expected.push_back(bits);
    // Signed as F32BitsToI64 extends it, or zero as F16RoundedBitsToI64 does.
    stored.push_back(i % 2 == 0 ? static_cast<std::int64_t>(static_cast<std::int32_t>(bits)) : std::int64_t{bits});
  }
  const TensorPtr tensor = Tensor::Literal(Dtype::kI64, {10, 100}, BytesOfValues(stored)).value();
  EXPECT_EQ(Read<std::uint32_t>(ops::I64BitsToF32(tensor)), expected);
  // A movement of the result reads the moved elements alone.
  const auto moved = Tensor::Permute(*ops::I64BitsToF32(tensor), {1, 0});
  const auto values = Read<std::uint32_t>(moved);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], expected[i % 10 * 100 + i / 10]);
}

TEST(FromIntegers, OtherDtypesAreRefused) {
  const TensorPtr floats = Tensor::Zeros(Dtype::kF32, {2}).value();
  EXPECT_EQ(ops::I8ToFloat(floats, Dtype::kBF16).status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(ops::I64BitsToF32(floats).status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(ops::I8ToFloat(AllI8(), Dtype::kI32).status().code(), StatusCode::kNotSupported);
}

}  // namespace
}  // namespace shardfs
