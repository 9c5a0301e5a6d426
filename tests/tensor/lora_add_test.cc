// Movements and reads of any range of a merged weight, against the same of its values, which the definition gives
// element by element.
#include "tensor/ops/lora_add.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "shardfs/tensor/cast_kernels.h"
#include "tensor/memory_source.h"
#include "tensor/random_movements.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::array<Dtype, 3> kFloats = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};

std::uint32_t Narrowed(float value, Dtype dtype) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return dtype == Dtype::kF32 ? 0x7FC00000 : dtype == Dtype::kF16 ? 0x7E00 : 0x7FC0;
  if (dtype == Dtype::kF16) return F32ToF16(bits);
  return dtype == Dtype::kBF16 ? F32ToBF16(bits) : bits;
}

float Widened(std::uint32_t bits, Dtype dtype) {
  if (dtype == Dtype::kF16) bits = F16ToF32(static_cast<std::uint16_t>(bits));
  if (dtype == Dtype::kBF16) bits = BF16ToF32(static_cast<std::uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

// Elements of a float dtype, with their values beside them.
struct Matrix {
  Dtype dtype = Dtype::kF32;
  std::string bytes;
  std::vector<float> values;

  void Add(std::uint32_t bits) {
    bytes.append(reinterpret_cast<const char*>(&bits), DtypeBytes(dtype));
    values.push_back(Widened(bits, dtype));
  }
};

class LoraAddProperty : public RandomMovements {
 protected:
  // Numbers of ordinary size, and among them zeros of both signs, subnormals, infinities and NaN.
  Matrix RandomMatrix(std::uint64_t elements) {
    Matrix matrix;
    matrix.dtype = kFloats[Below(kFloats.size())];
    for (std::uint64_t i = 0; i < elements; ++i) {
      const float value = std::ldexp(static_cast<float>(Below(20'001)) - 10'000.0f, -13);
      const std::uint64_t kind = Below(200);
      if (kind == 0) {
        matrix.Add(static_cast<std::uint32_t>(random_()) & (matrix.dtype == Dtype::kF32 ? 0xffffffff : 0xffff));
      } else {
        matrix.Add(Narrowed(kind == 1 ? -0.0f : kind == 2 ? value * 0x1p-130f : value, matrix.dtype));
      }
    }
    return matrix;
  }

  // A weight and an update of it by the definition. `axes` say which factor each axis of `shape` belongs to.
  ExpressionAndValues MakeMerged(const Shape& shape, std::vector<LoraAxis> axes, std::uint64_t rank) {
    Shape b_shape;
    Shape a_shape = {rank};
    for (std::size_t i = 0; i < shape.size(); ++i) {
      (axes[i] == LoraAxis::kRowsOfB ? b_shape : a_shape).push_back(shape[i]);
    }
    const std::uint64_t rows = Elements(b_shape);
    const std::uint64_t columns = Elements(a_shape) / rank;
    b_shape.push_back(rank);
    const Matrix weight = RandomMatrix(rows * columns);
    const Matrix b = RandomMatrix(rows * rank);
    const Matrix a = RandomMatrix(rank * columns);
    const float scaling = std::ldexp(static_cast<float>(Below(2000)) - 1000.0f, -9);
    const bool rounds_product = Below(3) == 0;
    Matrix merged{weight.dtype, {}, {}};
    for (std::uint64_t i = 0; i < rows * columns; ++i) {
      std::uint64_t row = 0, column = 0, row_stride = 1, column_stride = 1, rest = i;
      for (std::size_t axis = shape.size(); axis-- > 0;) {
        const bool is_row = axes[axis] == LoraAxis::kRowsOfB;
        (is_row ? row : column) += rest % shape[axis] * (is_row ? row_stride : column_stride);
        (is_row ? row_stride : column_stride) *= shape[axis];
        rest /= shape[axis];
      }
      float sum = 0.0f;
      for (std::uint64_t k = 0; k < rank; ++k) {
        sum = std::fma(b.values[row * rank + k], a.values[k * columns + column], sum);
      }
      volatile float product = sum * scaling;
      if (rounds_product) product = Widened(Narrowed(product, weight.dtype), weight.dtype);
      merged.Add(Narrowed(weight.values[i] + product, weight.dtype));
    }
    const auto literal = [](const Matrix& matrix, Shape of) {
      return Tensor::Literal(matrix.dtype, std::move(of), matrix.bytes).value();
    };
    return {ops::LoraAdd(literal(weight, shape),
                         {literal(b, b_shape), literal(a, a_shape), std::move(axes), scaling, rounds_product})
                .value(),
            literal(merged, shape)};
  }

  static std::uint64_t Elements(const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
  }

  // Linear, Conv1D (fan_in_fan_out) and Embedding, a convolution, factors in turns.
  ExpressionAndValues RandomMerged() {
    using enum LoraAxis;
    static const std::vector<std::vector<LoraAxis>> kKinds = {{kRowsOfB, kColumnsOfA},
                                                              {kColumnsOfA, kRowsOfB},
                                                              {kRowsOfB, kColumnsOfA, kColumnsOfA, kColumnsOfA},
                                                              {kColumnsOfA, kRowsOfB, kColumnsOfA, kRowsOfB},
                                                              {kRowsOfB},
                                                              {kColumnsOfA}};
    const auto& axes = kKinds[Below(kKinds.size())];
    Shape shape;
    for (std::size_t i = 0; i < axes.size(); ++i) shape.push_back(1 + Below(axes.size() > 2 ? 5 : 24));
    return MakeMerged(shape, axes, 1 + Below(9));
  }
};

TEST_F(LoraAddProperty, AnyMovementIsThatOfTheValues) {
  for (std::uint64_t run = 0; run < 10'000; ++run) {
    ExpressionAndValues pair = RandomMerged();
    for (std::uint64_t moves = Below(5); moves > 0 && pair.values->elements() < 20'000; --moves) pair = Move(pair);
    ASSERT_NO_FATAL_FAILURE(ExpectEqualRanges(pair, run));
  }
}

// Beyond what a thread keeps, tiles cut by the ends of rows, and chains that come in pieces.
TEST_F(LoraAddProperty, LargeFactors) {
  using enum LoraAxis;
  struct Size {
    Shape shape;
    std::vector<LoraAxis> axes;
    std::uint64_t rank;
  };
  for (const Size& size :
       {Size{{3, 20'011}, {kRowsOfB, kColumnsOfA}, 64}, Size{{5'003, 2}, {kRowsOfB, kColumnsOfA}, 64},
        Size{{700, 30}, {kColumnsOfA, kRowsOfB}, 129}, Size{{6, 300}, {kRowsOfB, kColumnsOfA}, 2'049},
        Size{{300, 7}, {kColumnsOfA, kRowsOfB}, 8'200}, Size{{3, 5}, {kRowsOfB, kColumnsOfA}, 20'000},
        Size{{9, 10'000}, {kRowsOfB, kColumnsOfA}, 8}}) {
    const ExpressionAndValues pair = MakeMerged(size.shape, size.axes, size.rank);
    ASSERT_NO_FATAL_FAILURE(ExpectEqualRanges(pair, size.rank));
    const std::uint64_t columns = size.shape[1];
    const auto cut = [&](const TensorPtr& t) { return Tensor::Slice(t, 1, columns / 3, columns).value(); };
    ASSERT_NO_FATAL_FAILURE(ExpectEqualRanges({cut(pair.expression), cut(pair.values)}, size.rank));
    const auto transposed = [&](const TensorPtr& t) { return Tensor::Permute(t, {1, 0}).value(); };
    ASSERT_NO_FATAL_FAILURE(ExpectEqualRanges({transposed(pair.expression), transposed(pair.values)}, size.rank));
  }
}

// Two adapters, one after the other, and reads of both in turns: what a thread keeps of one is not the other's.
TEST_F(LoraAddProperty, AdaptersInOrder) {
  using enum LoraAxis;
  const auto f32 = [](Shape shape, std::vector<float> values) {
    std::string bytes(values.size() * 4, '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return Tensor::Literal(Dtype::kF32, std::move(shape), bytes).value();
  };
  const auto update = [&](float b, std::vector<float> a) {
    return ops::LoraUpdate{f32({1, 1}, {b}), f32({1, 3}, std::move(a)), {kRowsOfB, kColumnsOfA}, 2.0f};
  };
  const TensorPtr weight = Tensor::Literal(Dtype::kBF16, {1, 3}, std::string("\x80\x3f\x80\x3f\x80\x3f", 6)).value();
  const TensorPtr first = ops::LoraAdd(weight, update(1.0f, {0x1p-9f, 1.0f, 0.0f})).value();
  const TensorPtr both = ops::LoraAdd(first, update(3.0f, {0x1p-11f, -1.0f, 0.5f})).value();
  const ReadPlan plan = LowerToPlan(both).value();
  for (int i = 0; i < 2; ++i) {
    std::array<std::uint16_t, 3> bits{};
    ASSERT_TRUE(plan.ReadAt(0, std::as_writable_bytes(std::span(bits))).ok());
    // 1 + 2^-8 rounds to 1, and so does 1 + 3 * 2^-10: each adapter rounds. Added first they would give 1 + 2^-7.
    EXPECT_EQ(bits[0], 0x3f80);
    EXPECT_EQ(bits[1], 0xc040);  // 1 + 2 - 6
    EXPECT_EQ(bits[2], 0x4080);  // 1 + 3
  }
}

TEST(LoraAdd, BiasKeepsTheSignOfZero) {
  const auto f32 = [](float value) {
    std::string bytes(4, '\0');
    std::memcpy(bytes.data(), &value, 4);
    return Tensor::Literal(Dtype::kF32, {1}, bytes).value();
  };
  const auto merged = [&](float bias, float b, float scaling) {
    float result = 0;
    const ReadPlan plan = LowerToPlan(ops::LoraAddBias(f32(bias), f32(b), scaling).value()).value();
    EXPECT_TRUE(plan.ReadAt(0, std::as_writable_bytes(std::span(&result, 1))).ok());
    return std::bit_cast<std::uint32_t>(result);
  };
  EXPECT_EQ(merged(1.0f, 3.0f, 0.5f), 0x40200000u);
  EXPECT_EQ(merged(-0.0f, -0.0f, 1.0f), 0x80000000u);
  EXPECT_EQ(merged(-0.0f, 0.0f, 1.0f), 0u);
  EXPECT_EQ(merged(-0.0f, 0.0f, -1.0f), 0x80000000u);
  EXPECT_EQ(merged(1.0f, std::nanf(""), 1.0f), 0x7FC00000u);
}

// What a cut needs is its own slice of the weight, its rows of B and its columns of A.
TEST(LoraAdd, ACutReadsItsOwnRowsAndColumns) {
  const MemorySource weight(std::vector<std::byte>(64 * 32 * 2), true);
  const MemorySource b(std::vector<std::byte>(64 * 4 * 4), true);
  const MemorySource a(std::vector<std::byte>(4 * 32 * 4), true);
  const TensorPtr merged = ops::LoraAdd(Tensor::Source(&weight, 0, Dtype::kBF16, {64, 32}).value(),
                                        {Tensor::Source(&b, 0, Dtype::kF32, {64, 4}).value(),
                                         Tensor::Source(&a, 0, Dtype::kF32, {4, 32}).value(),
                                         {LoraAxis::kRowsOfB, LoraAxis::kColumnsOfA},
                                         1.0f})
                               .value();
  const auto bytes_of = [](const TensorPtr& tensor, const ByteSource* source) {
    const ReadPlan plan = LowerToPlan(tensor).value();
    std::uint64_t bytes = 0;
    plan.VisitSources(0, plan.size(), [&](const SourceSpan& span) { bytes += span.source == source ? span.size : 0; });
    return bytes;
  };
  const TensorPtr rows = Tensor::Slice(merged, 0, 16, 32).value();
  EXPECT_EQ(bytes_of(rows, &weight), 16u * 32 * 2);
  EXPECT_EQ(bytes_of(rows, &b), 16u * 4 * 4);
  EXPECT_EQ(bytes_of(rows, &a), 4u * 32 * 4);
  const TensorPtr columns = Tensor::Slice(merged, 1, 0, 8).value();
  EXPECT_EQ(bytes_of(columns, &b), 64u * 4 * 4);
  EXPECT_LE(bytes_of(columns, &a), 4u * 32 * 4);
  const TensorPtr transposed = Tensor::Permute(rows, {1, 0}).value();
  EXPECT_EQ(bytes_of(transposed, &b), 16u * 4 * 4);
  EXPECT_EQ(LowerToPlan(transposed)->segments().size(), 1u);
}

// The columns that a thread has kept are no longer the file's once the file has changed.
TEST(LoraAdd, AChangedAdapterFailsEveryRead) {
  const MemorySource weight(std::vector<std::byte>(4 * 4), true);
  MemorySource a(std::vector<std::byte>(2 * 2 * 4), true);
  const TensorPtr b = Tensor::Zeros(Dtype::kF32, {2, 2}).value();
  const TensorPtr merged =
      ops::LoraAdd(
          Tensor::Source(&weight, 0, Dtype::kF32, {2, 2}).value(),
          {b, Tensor::Source(&a, 0, Dtype::kF32, {2, 2}).value(), {LoraAxis::kRowsOfB, LoraAxis::kColumnsOfA}, 1.0f})
          .value();
  const ReadPlan plan = LowerToPlan(merged).value();
  std::array<std::byte, 16> bytes;
  ASSERT_TRUE(plan.ReadAt(0, bytes).ok());
  a.set_failing(true);
  EXPECT_EQ(plan.ReadAt(0, bytes).code(), StatusCode::kSourceChanged);
}

TEST(LoraAdd, RefusesWhatDoesNotFit) {
  using enum LoraAxis;
  const auto refusal = [](Dtype dtype, Shape b, Shape a, std::vector<LoraAxis> axes) {
    return ops::LoraAdd(Tensor::Zeros(dtype, {4, 6}).value(),
                        {Tensor::Zeros(Dtype::kF32, std::move(b)).value(),
                         Tensor::Zeros(Dtype::kBF16, std::move(a)).value(), std::move(axes), 1.0f})
        .status();
  };
  EXPECT_TRUE(refusal(Dtype::kF16, {4, 2}, {2, 6}, {kRowsOfB, kColumnsOfA}).ok());
  EXPECT_TRUE(refusal(Dtype::kF16, {6, 2}, {2, 4}, {kColumnsOfA, kRowsOfB}).ok());
  const Status shape = refusal(Dtype::kF16, {6, 2}, {2, 4}, {kRowsOfB, kColumnsOfA});
  EXPECT_EQ(shape.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(shape.message()),
              HasSubstr("B of F32 [6, 2] and A of BF16 [2, 4] for a tensor of F16 [4, 6]"));
  EXPECT_FALSE(refusal(Dtype::kF16, {4, 3}, {2, 6}, {kRowsOfB, kColumnsOfA}).ok());
  EXPECT_FALSE(refusal(Dtype::kF16, {4, 0}, {0, 6}, {kRowsOfB, kColumnsOfA}).ok());
  EXPECT_FALSE(refusal(Dtype::kF16, {4, 2}, {2, 6}, {kRowsOfB}).ok());
  EXPECT_EQ(refusal(Dtype::kF8E4M3, {4, 2}, {2, 6}, {kRowsOfB, kColumnsOfA}).code(), StatusCode::kNotSupported);
}

}  // namespace
}  // namespace shardfs::testing
