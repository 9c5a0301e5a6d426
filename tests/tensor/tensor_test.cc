#include "shardfs/tensor/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "shardfs/tensor/read_plan.h"
#include "tensor/memory_source.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/subtract_min.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using testing::MemorySource;

class TensorTest : public ::testing::Test {
 protected:
  TensorPtr Make(Dtype dtype, Shape shape) { return Tensor::Source(&source_, 0, dtype, std::move(shape)).value(); }

  static void ExpectRefused(const Result<TensorPtr>& result, StatusCode code, const std::string& first,
                            const std::string& second) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), code);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(first));
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(second));
  }

  MemorySource source_{std::vector<std::byte>(1024), true};
};

TEST_F(TensorTest, ShapesFollowFromTheOperations) {
  const auto matrix = Make(Dtype::kBF16, {6, 8});
  EXPECT_EQ(Tensor::Slice(matrix, 1, 2, 5).value()->shape(), (Shape{6, 3}));
  EXPECT_EQ(Tensor::Concat({matrix, matrix}, 1).value()->shape(), (Shape{6, 16}));
  EXPECT_EQ(Tensor::Stack({matrix, matrix, matrix}, 1).value()->shape(), (Shape{6, 3, 8}));
  EXPECT_EQ(Tensor::Reshape(matrix, {2, 3, 8}).value()->shape(), (Shape{2, 3, 8}));
  EXPECT_EQ(Tensor::Permute(matrix, {1, 0}).value()->shape(), (Shape{8, 6}));
  EXPECT_EQ(Tensor::RowGather(matrix, 0, {5, 5, 0}).value()->shape(), (Shape{3, 8}));
  EXPECT_EQ(Tensor::PadZeros(matrix, 0, 1, 2).value()->shape(), (Shape{9, 8}));
  EXPECT_EQ(ops::Cast(matrix, Dtype::kF32).value()->bytes(), 6u * 8 * 4);
}

TEST_F(TensorTest, ANodeThatChangesNothingIsItsInput) {
  const auto matrix = Make(Dtype::kBF16, {6, 8});
  EXPECT_EQ(Tensor::Slice(matrix, 0, 0, 6).value(), matrix);
  EXPECT_EQ(Tensor::Concat({matrix}, 0).value(), matrix);
  EXPECT_EQ(Tensor::Reshape(matrix, {6, 8}).value(), matrix);
  EXPECT_EQ(Tensor::Permute(matrix, {0, 1}).value(), matrix);
  EXPECT_EQ(Tensor::PadZeros(matrix, 0, 0, 0).value(), matrix);
  EXPECT_EQ(ops::Cast(matrix, Dtype::kBF16).value(), matrix);
}

TEST_F(TensorTest, WrongRulesFailWhenBuiltWithBothSidesInTheMessage) {
  const auto matrix = Make(Dtype::kBF16, {6, 8});
  ExpectRefused(Tensor::Slice(matrix, 0, 3, 7), StatusCode::kInvalidArgument, "[3, 7)", "[6, 8]");
  ExpectRefused(Tensor::Slice(matrix, 2, 0, 1), StatusCode::kInvalidArgument, "axis 2", "rank 2");
  ExpectRefused(Tensor::Concat({matrix, Make(Dtype::kBF16, {6, 7})}, 0), StatusCode::kInvalidArgument, "[6, 8]",
                "[6, 7]");
  ExpectRefused(Tensor::Concat({matrix, Make(Dtype::kF16, {6, 8})}, 0), StatusCode::kInvalidArgument, "BF16",
                "F16 [6, 8]");
  ExpectRefused(Tensor::Concat({}, 0), StatusCode::kInvalidArgument, "no tensors", "concat");
  ExpectRefused(Tensor::Stack({matrix, Make(Dtype::kBF16, {8, 6})}, 0), StatusCode::kInvalidArgument, "[6, 8]",
                "[8, 6]");
  ExpectRefused(Tensor::Reshape(matrix, {6, 9}), StatusCode::kInvalidArgument, "48", "54");
  ExpectRefused(Tensor::Permute(matrix, {0, 0}), StatusCode::kInvalidArgument, "[6, 8]", "[0, 0]");
  ExpectRefused(Tensor::Permute(matrix, {0}), StatusCode::kInvalidArgument, "[6, 8]", "[0]");
  ExpectRefused(Tensor::RowGather(matrix, 0, {6}), StatusCode::kInvalidArgument, "index 6", "6 elements");
}

TEST_F(TensorTest, ConversionsAreAmongFloatsOnly) {
  ExpectRefused(ops::Cast(Make(Dtype::kI8, {4}), Dtype::kBF16), StatusCode::kNotSupported, "I8", "BF16");
  ExpectRefused(ops::Cast(Make(Dtype::kF8E4M3, {4}), Dtype::kBF16), StatusCode::kNotSupported, "F8_E4M3", "BF16");
  ExpectRefused(ops::SubtractMin(Make(Dtype::kI32, {4})), StatusCode::kNotSupported, "I32", "minimum");
  ExpectRefused(ops::SubtractMin(Make(Dtype::kF32, {0})), StatusCode::kInvalidArgument, "empty", "[0]");
}

TEST_F(TensorTest, OperationsOnTwoTensorsNeedOneShapeAndDtype) {
  const auto a = Make(Dtype::kBF16, {4, 2});
  ExpectRefused(ops::Multiply(a, Make(Dtype::kBF16, {2, 4})), StatusCode::kInvalidArgument, "[4, 2]", "[2, 4]");
  ExpectRefused(ops::Add(a, Make(Dtype::kF16, {4, 2})), StatusCode::kInvalidArgument, "BF16 [4, 2]", "F16 [4, 2]");
  ExpectRefused(ops::Negate(Make(Dtype::kI8, {4})), StatusCode::kNotSupported, "negation", "I8");
  ExpectRefused(Tensor::Literal(Dtype::kF16, {3}, "12345"), StatusCode::kInvalidArgument, "5 bytes", "6");
}

TEST_F(TensorTest, ASourceTensorMustLieWithinItsSource) {
  EXPECT_TRUE(Tensor::Source(&source_, 1000, Dtype::kI8, {24}).ok());
  ExpectRefused(Tensor::Source(&source_, 1000, Dtype::kI8, {25}), StatusCode::kCorruption, "1000", "1024");
  ExpectRefused(Tensor::Source(&source_, std::numeric_limits<std::uint64_t>::max(), Dtype::kI8, {2}),
                StatusCode::kCorruption, "memory", "1024");
}

TEST_F(TensorTest, SizesThatWrapAreRefused) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 40;
  EXPECT_FALSE(Tensor::Zeros(Dtype::kI8, {kHuge, kHuge}).ok());
  EXPECT_FALSE(Tensor::Zeros(Dtype::kF64, {std::uint64_t{1} << 62}).ok());
  EXPECT_EQ(Tensor::Zeros(Dtype::kF4, {2}).status().code(), StatusCode::kNotSupported);
}

TEST_F(TensorTest, ElementsBelowAByteAreOnlyHandedOn) {
  const auto source = Tensor::Source(&source_, 1000, Dtype::kF4, {2, 3});
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->bytes(), 3u);
  const auto plan = LowerToPlan(*source);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->segments().size(), 1u);
  EXPECT_EQ(plan->segments()[0].kind, PlanSegment::Kind::kCopy);
  EXPECT_EQ(plan->segments()[0].offset, 1000u);
  EXPECT_EQ(plan->size(), 3u);
  ExpectRefused(Tensor::Source(&source_, 0, Dtype::kF4, {3}), StatusCode::kInvalidArgument, "F4 [3]", "whole bytes");
  ExpectRefused(Tensor::Slice(*source, 0, 0, 1), StatusCode::kNotSupported, "F4", "handed on");
  ExpectRefused(Tensor::Reshape(*source, {6}), StatusCode::kNotSupported, "F4", "handed on");
}

}  // namespace
}  // namespace shardfs
