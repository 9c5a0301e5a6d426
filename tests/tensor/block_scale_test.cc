// Movements and casts behind a tensor of codes with block scales, against the same movements of its values, which the
// definition gives element by element.
#include "tensor/ops/block_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <random>

#include "shardfs/tensor/read_plan.h"
#include "tensor/counting_source.h"
#include "tensor/fp8_kernels.h"
#include "tensor/memory_source.h"
#include "tensor/ops/cast.h"
#include "tensor/random_movements.h"
#include "tensor/reference_evaluate.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::array<Dtype, 4> kScaleDtypes = {Dtype::kF32, Dtype::kBF16, Dtype::kF16, Dtype::kF8E8M0};

class BlockScaleProperty : public RandomMovements {
 protected:
  // Scales of all magnitudes of the dtype that make a mix of results, NaN and infinity among them.
  std::string RandomScales(Dtype dtype, std::uint64_t count) {
    std::string bytes = RandomBytes(count * DtypeBytes(dtype));
    if (dtype != Dtype::kF32) return bytes;
    for (std::uint64_t i = 0; i < count; ++i) {
      const float scale =
          std::ldexp(1.0f + static_cast<float>(Below(1 << 20)) / (1 << 20), -static_cast<int>(Below(12)));
      if (Below(8) != 0) std::memcpy(bytes.data() + 4 * i, &scale, sizeof scale);
    }
    return bytes;
  }

  static float ScaleOf(const std::string& bytes, Dtype dtype, std::uint64_t i) {
    if (dtype == Dtype::kF8E8M0) {
      const auto code = static_cast<std::uint8_t>(bytes[i]);
      return code == 255 ? std::nanf("") : std::ldexp(1.0f, code - 127);
    }
    const TensorPtr one = Tensor::Literal(dtype, {1}, bytes.substr(i * DtypeBytes(dtype), DtypeBytes(dtype))).value();
    const auto wide = ReferenceEvaluate(*ops::Cast(one, Dtype::kF32).value());
    float value = 0;
    std::memcpy(&value, wide.data(), sizeof value);
    return value;
  }

  ExpressionAndValues MakePair(std::uint64_t rows, std::uint64_t columns) {
    const Shape block = {1 + Below(6), 1 + Below(6)};
    const Shape blocks = {(rows + block[0] - 1) / block[0], (columns + block[1] - 1) / block[1]};
    const Dtype dtype = kScaleDtypes[Below(kScaleDtypes.size())];
    const std::string codes = RandomBytes(rows * columns);
    const std::string scales = RandomScales(dtype, blocks[0] * blocks[1]);
    std::string values;
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < columns; ++c) {
        const float scale = ScaleOf(scales, dtype, r / block[0] * blocks[1] + c / block[1]);
        const std::uint16_t value = ScaleE4M3(static_cast<std::uint8_t>(codes[r * columns + c]), scale);
        values.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
    }
    TensorPtr code = Tensor::Literal(Dtype::kF8E4M3, {rows, columns}, codes).value();
    TensorPtr scale = Tensor::Literal(dtype, blocks, scales).value();
    return {ops::BlockScale(std::move(code), std::move(scale), block).value(),
            Tensor::Literal(Dtype::kBF16, {rows, columns}, values).value()};
  }
};

TEST_F(BlockScaleProperty, AnyMovementIsThatOfTheValues) {
  for (std::uint64_t run = 0; run < 10'000; ++run) {
    ExpressionAndValues pair = MakePair(1 + Below(24), 1 + Below(24));
    // An expert stack, as often as not.
    if (Below(3) == 0) {
      std::vector<TensorPtr> scaled;
      std::vector<TensorPtr> plain;
      const Shape shape = pair.values->shape();
      for (std::uint64_t i = 0; i < 2 + Below(3); ++i) {
        const ExpressionAndValues one = MakePair(shape[0], shape[1]);
        scaled.push_back(one.expression);
        plain.push_back(one.values);
      }
      pair = {Tensor::Stack(scaled, 0).value(), Tensor::Stack(plain, 0).value()};
    }
    for (std::uint64_t moves = Below(5); moves > 0 && pair.values->elements() < 20'000; --moves) pair = Move(pair);
    ASSERT_NO_FATAL_FAILURE(ExpectEqualRanges(pair, run));
  }
}

// Real proportions: blocks of 128, rows beyond a staging buffer, a cut that begins and ends within blocks.
TEST_F(BlockScaleProperty, LargeTensorsInWholeBlocks) {
  constexpr std::uint64_t kRows = 300;
  constexpr std::uint64_t kColumns = 40'000;
  const std::string codes = RandomBytes(kRows * kColumns);
  const Shape blocks = {3, 313};
  const std::string scales = RandomScales(Dtype::kF32, blocks[0] * blocks[1]);
  const TensorPtr scaled = ops::BlockScale(Tensor::Literal(Dtype::kF8E4M3, {kRows, kColumns}, codes).value(),
                                           Tensor::Literal(Dtype::kF32, blocks, scales).value(), {128, 128})
                               .value();
  const TensorPtr rows = Tensor::Slice(scaled, 0, 100, 290).value();
  const TensorPtr cut = Tensor::Slice(rows, 1, 70, 39'999).value();
  const auto plan = LowerToPlan(cut);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->segments().size(), 1u);
  std::vector<std::byte> actual(plan->size());
  ASSERT_TRUE(plan->ReadAt(0, actual).ok());
  for (std::uint64_t r = 0; r < 190; ++r) {
    for (std::uint64_t c = 0; c < 39'929; c += 1 + Below(7)) {
      const std::uint64_t row = r + 100;
      const std::uint64_t column = c + 70;
      float scale = 0;
      std::memcpy(&scale, scales.data() + 4 * (row / 128 * blocks[1] + column / 128), sizeof scale);
      std::uint16_t value = 0;
      std::memcpy(&value, actual.data() + 2 * (r * 39'929 + c), sizeof value);
      ASSERT_EQ(value, ScaleE4M3(static_cast<std::uint8_t>(codes[row * kColumns + column]), scale)) << r << ", " << c;
    }
  }
}

TEST(BlockScale, AStackOfExpertsIsOneSegment) {
  std::vector<TensorPtr> experts;
  for (int i = 0; i < 8; ++i) {
    experts.push_back(ops::BlockScale(Tensor::Literal(Dtype::kF8E4M3, {4, 4}, std::string(16, '\x38')).value(),
                                      Tensor::Literal(Dtype::kF32, {2, 2}, std::string(16, '\0')).value(), {2, 2})
                          .value());
  }
  const TensorPtr stack = Tensor::Stack(experts, 0).value();
  EXPECT_EQ(LowerToPlan(stack)->segments().size(), 1u);
  EXPECT_EQ(LowerToPlan(Tensor::Slice(stack, 2, 1, 3).value())->segments().size(), 1u);
  EXPECT_EQ(LowerToPlan(Tensor::Permute(stack, {0, 2, 1}).value())->segments().size(), 1u);
}

// A cut reads the codes and scales of what is cut, and nothing else.
TEST(BlockScale, ACutReadsItsOwnCodesAndScales) {
  const MemorySource codes(std::vector<std::byte>(64 * 64), true);
  const MemorySource scales(std::vector<std::byte>(8 * 8 * 4), true);
  const TensorPtr scaled = ops::BlockScale(Tensor::Source(&codes, 0, Dtype::kF8E4M3, {64, 64}).value(),
                                           Tensor::Source(&scales, 0, Dtype::kF32, {8, 8}).value(), {8, 8})
                               .value();
  const auto plan = LowerToPlan(Tensor::Slice(Tensor::Slice(scaled, 0, 12, 20).value(), 1, 16, 32).value());
  ASSERT_TRUE(plan.ok());
  std::uint64_t code_bytes = 0;
  std::uint64_t scale_bytes = 0;
  plan->VisitSources(0, 32, [&](const SourceSpan& span) {  // the first row
    (span.source == &codes ? code_bytes : scale_bytes) += span.size;
  });
  EXPECT_LE(code_bytes, 64u);  // whole places of the gather's outermost dim at most
  EXPECT_EQ(scale_bytes, 2 * 4u);
}

TEST(BlockScale, NanCodesAreReported) {
  std::atomic<int> reports{0};
  const auto read = [&](char code) {
    const TensorPtr scaled =
        ops::BlockScale(Tensor::Literal(Dtype::kF8E4M3, {1, 4}, std::string(4, code)).value(),
                        Tensor::Literal(Dtype::kF32, {1, 1}, std::string(4, '\0')).value(), {4, 4}, [&] { ++reports; })
            .value();
    std::array<std::byte, 8> bytes;
    ASSERT_TRUE(LowerToPlan(scaled)->ReadAt(0, bytes).ok());
  };
  read('\x7e');
  EXPECT_EQ(reports, 0);
  read('\x7f');
  EXPECT_EQ(reports, 1);
}

TEST(BlockScale, RefusesWhatDoesNotFit) {
  const auto codes = Tensor::Zeros(Dtype::kF8E4M3, {4, 6}).value();
  const auto refusal = [&](const TensorPtr& weight, Dtype dtype, Shape shape) {
    return ops::BlockScale(weight, Tensor::Zeros(dtype, std::move(shape)).value(), {4, 4}).status();
  };
  EXPECT_TRUE(refusal(codes, Dtype::kF32, {1, 2}).ok());
  const Status shape = refusal(codes, Dtype::kF32, {2, 2});
  EXPECT_EQ(shape.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(shape.message()), HasSubstr("F32 [2, 2] for blocks of a tensor of F8_E4M3 [4, 6]"));
  EXPECT_EQ(refusal(codes, Dtype::kI32, {1, 2}).code(), StatusCode::kNotSupported);
  EXPECT_EQ(refusal(Tensor::Zeros(Dtype::kI8, {4, 6}).value(), Dtype::kF32, {1, 2}).code(), StatusCode::kNotSupported);
}

}  // namespace
}  // namespace shardfs::testing
