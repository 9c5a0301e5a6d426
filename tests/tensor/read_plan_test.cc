#include "shardfs/tensor/read_plan.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tensor/memory_source.h"
#include "tensor/reference_evaluate.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/observe.h"
#include "tensor/ops/require_close.h"
#include "tensor/ops/subtract_min.h"

namespace shardfs {
namespace {

using testing::MemorySource;
using testing::ReferenceEvaluate;

std::vector<std::byte> Counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 37 + i / 256);
  return bytes;
}

TensorPtr WholeSource(const MemorySource& source, Dtype dtype, Shape shape) {
  return Tensor::Source(&source, 0, dtype, std::move(shape)).value();
}

std::vector<std::byte> ReadAll(const ReadPlan& plan) {
  std::vector<std::byte> bytes(plan.size());
  const Status status = plan.ReadAt(0, bytes);
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

TEST(ReadPlan, RowsOfASourceAreOneCopy) {
  const MemorySource source(Counting(64 * 16 * 2), true);
  const auto slice = Tensor::Slice(WholeSource(source, Dtype::kBF16, {64, 16}), 0, 8, 24).value();
  const auto plan = LowerToPlan(slice).value();
  ASSERT_EQ(plan.segments().size(), 1u);
  EXPECT_EQ(plan.segments()[0].kind, PlanSegment::Kind::kCopy);
  EXPECT_EQ(plan.segments()[0].offset, 8u * 16 * 2);
  EXPECT_EQ(plan.size(), 16u * 16 * 2);
}

TEST(ReadPlan, ColumnsOfASourceAreOneGatherWhateverTheNumberOfRows) {
  const MemorySource source(Counting(4096 * 16), true);
  const auto slice = Tensor::Slice(WholeSource(source, Dtype::kI8, {4096, 16}), 1, 4, 8).value();
  const auto plan = LowerToPlan(slice).value();
  ASSERT_EQ(plan.segments().size(), 1u);
  EXPECT_EQ(plan.segments()[0].kind, PlanSegment::Kind::kGather);
  EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*slice));
}

TEST(ReadPlan, NeighbouringCopiesThatContinueEachOtherAreOne) {
  const MemorySource source(Counting(100), true);
  const auto whole = WholeSource(source, Dtype::kI8, {100});
  const auto joined =
      Tensor::Concat({Tensor::Slice(whole, 0, 10, 30).value(), Tensor::Slice(whole, 0, 30, 90).value()}, 0).value();
  EXPECT_EQ(LowerToPlan(joined)->segments().size(), 1u);
}

// The de-interleaving of rope rows in every head at once: reshape, listed rows, reshape back.
TEST(ReadPlan, ListedRowsInEveryHeadAreOneGather) {
  const MemorySource source(Counting(8 * 6 * 4), true);
  const auto heads = Tensor::Reshape(WholeSource(source, Dtype::kI8, {48, 4}), {8, 6, 4}).value();
  const auto rows = Tensor::RowGather(heads, 1, {0, 1, 2, 4, 3, 5}).value();
  const auto flat = Tensor::Reshape(rows, {48, 4}).value();
  const auto plan = LowerToPlan(flat).value();
  EXPECT_EQ(plan.segments().size(), 1u);
  EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*flat));
}

// Merged heads, flattened and cut between two of them, listed anew: the flattened form must not stand in the way, or
// each row would be read through a plan of the whole tensor.
TEST(ReadPlan, AReshapeThatUndoesOneIsASlice) {
  const MemorySource source(Counting(6 * 4 * 5 * 2), true);
  std::vector<TensorPtr> heads;  // of two ranks
  for (std::uint64_t rank = 0; rank < 2; ++rank) {
    const TensorPtr part = Tensor::Source(&source, rank * 120, Dtype::kBF16, {3, 4, 5}).value();
    heads.push_back(Tensor::RowGather(part, 1, {0, 2, 1, 3}).value());
  }
  const auto flat = Tensor::Reshape(Tensor::Concat(heads, 0).value(), {24, 5}).value();
  const auto cut = Tensor::Slice(flat, 0, 8, 20).value();
  const auto again = Tensor::RowGather(Tensor::Reshape(cut, {3, 4, 5}).value(), 1, {3, 1, 2, 0}).value();
  const auto moved = Tensor::Permute(again, {0, 2, 1}).value();
  for (const TensorPtr& tensor : {again, moved}) {
    const auto plan = LowerToPlan(tensor).value();
    EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*tensor));
    for (const PlanSegment& segment : plan.segments()) EXPECT_EQ(segment.kind, PlanSegment::Kind::kGather);
  }
  // Between heads alone: a cut elsewhere is right as well.
  const auto askew = Tensor::Reshape(Tensor::Slice(flat, 0, 6, 18).value(), {3, 4, 5}).value();
  const auto gathered = Tensor::RowGather(askew, 1, {3, 0, 1, 2}).value();
  EXPECT_EQ(ReadAll(LowerToPlan(gathered).value()), ReferenceEvaluate(*gathered));
}

// W4A8's gate_up_proj: each output row is a row of the one transposed and a row of the other, more of them than are
// read at once, and the first and the last cut short.
TEST(ReadPlan, RowsOfTwoTransposesInTurnAreReadManyAtATime) {
  constexpr std::uint64_t kGate = 96, kUp = 32, kColumns = 1000;
  std::vector<std::byte> expected;
  for (const bool mapped : {true, false}) {
    const MemorySource source(Counting((kGate + kUp) * kColumns + 77), mapped);
    const auto gate = Tensor::Source(&source, 0, Dtype::kI8, {kGate, kColumns}).value();
    const auto up = Tensor::Source(&source, kGate * kColumns + 77, Dtype::kI8, {kUp, kColumns}).value();
    const auto rows = Tensor::Permute(Tensor::Concat({gate, up}, 0).value(), {1, 0}).value();
    if (mapped) expected = ReferenceEvaluate(*rows);
    const auto plan = LowerToPlan(rows).value();
    ASSERT_EQ(plan.segments().size(), 1u);
    EXPECT_EQ(ReadAll(plan), expected);
    for (const std::uint64_t begin : {std::uint64_t{1}, kGate - 1, kGate, kGate + kUp, 5 * (kGate + kUp) + 100}) {
      for (const std::uint64_t end : {begin + 20, begin + 300, expected.size() - 1, expected.size() - kUp}) {
        std::vector<std::byte> part(end - begin);
        ASSERT_TRUE(plan.ReadAt(begin, part).ok());
        EXPECT_TRUE(std::equal(part.begin(), part.end(), expected.begin() + static_cast<std::ptrdiff_t>(begin)))
            << "bytes [" << begin << ", " << end << ")";
      }
    }
  }
}

// Elements at a stride under a place that repeats itself, as a scale per row does in each of its groups.
TEST(ReadPlan, StridedElementsCanBeReadFromAnyByte) {
  const MemorySource source(Counting(50 * 12 * 4), true);
  const auto matrix = WholeSource(source, Dtype::kF32, {50, 12});
  const auto column = Tensor::Slice(matrix, 1, 7, 8).value();
  const auto repeated = Tensor::RowGather(column, 1, std::vector<std::uint64_t>(5, 0)).value();
  const auto listed = Tensor::RowGather(matrix, 1, {9, 2, 4, 4}).value();
  for (const TensorPtr& tensor : {column, repeated, listed}) {
    const auto expected = ReferenceEvaluate(*tensor);
    const auto plan = LowerToPlan(tensor).value();
    for (std::size_t begin = 0; begin < 45; ++begin) {
      for (std::size_t size = 0; size < 60; ++size) {
        std::vector<std::byte> part(size);
        ASSERT_TRUE(plan.ReadAt(begin, part).ok());
        ASSERT_TRUE(std::equal(part.begin(), part.end(), expected.begin() + static_cast<std::ptrdiff_t>(begin)))
            << begin << "+" << size;
      }
    }
  }
}

TEST(ReadPlan, TransposeOfASliceIsOneGather) {
  const MemorySource source(Counting(4 * 10 * 8 * 2), true);
  const auto view = Tensor::Reshape(WholeSource(source, Dtype::kBF16, {40, 8}), {4, 10, 8}).value();
  const auto transposed = Tensor::Permute(Tensor::Slice(view, 1, 6, 10).value(), {0, 2, 1}).value();
  EXPECT_EQ(transposed->shape(), (Shape{4, 8, 4}));
  const auto plan = LowerToPlan(transposed).value();
  EXPECT_EQ(plan.segments().size(), 1u);
  EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*transposed));
}

TEST(ReadPlan, PaddedColumnsOfManyRowsAreOneSegment) {
  const MemorySource source(Counting(1000 * 5), true);
  const auto padded = Tensor::PadZeros(WholeSource(source, Dtype::kI8, {1000, 5}), 1, 0, 3).value();
  const auto plan = LowerToPlan(padded).value();
  EXPECT_EQ(plan.segments().size(), 1u);
  EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*padded));
}

TEST(ReadPlan, OneConversionStandsAboveManyInputs) {
  const MemorySource source(Counting(64 * 4), true);
  const auto whole = WholeSource(source, Dtype::kF32, {64});
  std::vector<TensorPtr> parts;
  for (std::uint64_t i = 0; i < 8; ++i) {
    parts.push_back(ops::Cast(Tensor::Slice(whole, 0, (7 - i) * 8, (8 - i) * 8).value(), Dtype::kBF16).value());
  }
  const auto stacked = Tensor::Stack(std::move(parts), 0).value();
  const auto plan = LowerToPlan(stacked).value();
  EXPECT_EQ(plan.segments().size(), 1u);
  EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*stacked));
}

// A gather across concatenated inputs in disorder does not reduce to few runs; it is right all the same.
TEST(ReadPlan, DisorderlyGatherAcrossInputsIsRightAndSmall) {
  const MemorySource source(Counting(200 * 3), true);
  const auto whole = WholeSource(source, Dtype::kI8, {200, 3});
  const auto joined =
      Tensor::Concat({Tensor::Slice(whole, 0, 100, 200).value(), Tensor::Slice(whole, 0, 0, 100).value()}, 0).value();
  std::vector<std::uint64_t> rows(200);
  for (std::uint64_t i = 0; i < 200; ++i) rows[i] = (i * 101) % 200;
  const auto gathered = Tensor::RowGather(joined, 0, rows).value();
  const auto plan = LowerToPlan(gathered).value();
  EXPECT_LE(plan.segments().size(), 2u);
  EXPECT_EQ(ReadAll(plan), ReferenceEvaluate(*gathered));
}

TEST(ReadPlan, EveryOneByteReadOfAConvertedTensorIsRight) {
  const MemorySource source(Counting(50 * 4), true);
  const auto cast = ops::Cast(WholeSource(source, Dtype::kF32, {50}), Dtype::kBF16).value();
  const auto plan = LowerToPlan(cast).value();
  const auto expected = ReferenceEvaluate(*cast);
  for (std::uint64_t offset = 0; offset < plan.size(); ++offset) {
    std::byte byte{};
    ASSERT_TRUE(plan.ReadAt(offset, {&byte, 1}).ok());
    ASSERT_EQ(byte, expected[offset]) << offset;
  }
}

TEST(ReadPlan, UnmappedSourcesGiveTheSameBytes) {
  const MemorySource mapped(Counting(300 * 8), true);
  const MemorySource unmapped(Counting(300 * 8), false);
  const auto columns = [](const MemorySource& source) {
    return LowerToPlan(Tensor::Slice(WholeSource(source, Dtype::kI8, {300, 8}), 1, 3, 5).value()).value();
  };
  EXPECT_EQ(ReadAll(columns(mapped)), ReadAll(columns(unmapped)));
}

TEST(ReadPlan, AFailingSourceFailsTheReadThatNeedsItAndNoOther) {
  MemorySource good(Counting(64), true);
  MemorySource bad(Counting(64), true);
  const auto joined = Tensor::Concat({WholeSource(good, Dtype::kI8, {8, 8}), WholeSource(bad, Dtype::kI8, {8, 8}),
                                      WholeSource(good, Dtype::kI8, {8, 8})},
                                     0)
                          .value();
  const auto plan = LowerToPlan(joined).value();
  bad.set_failing(true);
  std::vector<std::byte> part(64);
  EXPECT_TRUE(plan.ReadAt(0, part).ok());
  EXPECT_EQ(plan.ReadAt(64, part).code(), StatusCode::kIoError);
  EXPECT_EQ(plan.ReadAt(1, part).code(), StatusCode::kIoError);
  EXPECT_TRUE(plan.ReadAt(128, part).ok());
  bad.set_failing(false);
  EXPECT_TRUE(plan.ReadAt(1, part).ok());
}

TEST(ReadPlan, AGatherFromAChangedSourceIsAnError) {
  MemorySource source(Counting(64), true);
  const auto plan = LowerToPlan(Tensor::Slice(WholeSource(source, Dtype::kI8, {8, 8}), 1, 0, 4).value()).value();
  source.set_failing(true);
  std::vector<std::byte> part(8);
  EXPECT_EQ(plan.ReadAt(0, part).code(), StatusCode::kSourceChanged);
}

TEST(ReadPlan, AConversionOfAChangedSourceIsAnError) {
  for (const bool mapped : {true, false}) {
    MemorySource source(Counting(64), mapped);
    const auto plan = LowerToPlan(ops::Cast(WholeSource(source, Dtype::kF32, {16}), Dtype::kBF16).value()).value();
    std::vector<std::byte> part(8);
    EXPECT_TRUE(plan.ReadAt(4, part).ok());
    source.set_failing(true);
    EXPECT_FALSE(plan.ReadAt(4, part).ok());
  }
}

TEST(ReadPlan, ConversionsOfMappedAndOfUnmappedSourcesAgree) {
  const MemorySource mapped(Counting(40'000), true);
  const MemorySource unmapped(Counting(40'000), false);
  const auto converted = [](const MemorySource& source) {
    return LowerToPlan(ops::Cast(WholeSource(source, Dtype::kF32, {10'000}), Dtype::kF16).value()).value();
  };
  EXPECT_EQ(ReadAll(converted(mapped)), ReadAll(converted(unmapped)));
}

TEST(ReadPlan, ReadsOutsideThePlanAreRefused) {
  const MemorySource source(Counting(64), true);
  const auto plan = LowerToPlan(WholeSource(source, Dtype::kI8, {64})).value();
  std::vector<std::byte> bytes(10);
  EXPECT_EQ(plan.ReadAt(60, bytes).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(plan.ReadAt(std::numeric_limits<std::uint64_t>::max(), bytes).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(plan.ReadAt(64, {}).ok());
}

TEST(ReadPlan, SubtractMinIsInTheTensorsOwnDtypeAndNanSpreads) {
  std::vector<float> values = {3.5f, -2.25f, 0.0f, 7.0f};
  std::vector<std::byte> bytes(16);
  std::memcpy(bytes.data(), values.data(), 16);
  const MemorySource source(bytes, true);
  const auto shifted = ops::SubtractMin(WholeSource(source, Dtype::kF32, {4})).value();
  const auto output = ReadAll(LowerToPlan(shifted).value());
  EXPECT_EQ(output, ReferenceEvaluate(*shifted));
  std::vector<float> result(4);
  std::memcpy(result.data(), output.data(), 16);
  EXPECT_EQ(result, (std::vector<float>{5.75f, 0.0f, 2.25f, 9.25f}));

  values[2] = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data(), values.data(), 16);
  const MemorySource with_nan(bytes, true);
  const auto all_nan =
      ReadAll(LowerToPlan(ops::SubtractMin(WholeSource(with_nan, Dtype::kF32, {4})).value()).value());
  std::memcpy(result.data(), all_nan.data(), 16);
  for (const float value : result) EXPECT_NE(value, value);
}

TensorPtr Floats(std::vector<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return Tensor::Literal(Dtype::kF32, {values.size()}, std::move(bytes)).value();
}

TEST(ReadPlan, NegatingZeroGivesMinusZeroAlsoInPadding) {
  const auto padded = Tensor::PadZeros(Floats({0.0f, 1.0f}), 0, 0, 1).value();
  const auto bytes = ReadAll(LowerToPlan(ops::Negate(padded).value()).value());
  std::vector<std::uint32_t> bits(3);
  std::memcpy(bits.data(), bytes.data(), bytes.size());
  EXPECT_EQ(bits, (std::vector<std::uint32_t>{0x80000000u, 0xbf800000u, 0x80000000u}));
}

TEST(ReadPlan, TensorsThatMustAgreeAndDoNotFailTheRead) {
  const auto close = LowerToPlan(ops::RequireClose(Floats({1.0f, 2.0f}), Floats({1.000001f, 2.0f})).value()).value();
  EXPECT_EQ(ReadAll(close), ReadAll(LowerToPlan(Floats({1.0f, 2.0f})).value()));
  const auto apart = LowerToPlan(ops::RequireClose(Floats({1.0f, 2.0f}), Floats({1.0f, 2.1f})).value()).value();
  std::vector<std::byte> bytes(8);
  EXPECT_EQ(apart.ReadAt(0, bytes).code(), StatusCode::kCorruption);
}

TEST(ReadPlan, ADisagreementNamesWhereBothValuesStand) {
  const MemorySource source(Counting(64), true);
  const auto whole = WholeSource(source, Dtype::kI8, {64});
  const auto pair =
      ops::RequireClose(Tensor::Slice(whole, 0, 8, 9).value(), Tensor::Slice(whole, 0, 40, 41).value());
  std::byte byte{};
  const Status status = LowerToPlan(pair.value())->ReadAt(0, {&byte, 1});
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("'memory' at byte 8 and 'memory' at byte 40"), std::string_view::npos) << status;
}

TEST(ReadPlan, AnObserverSeesWhatIsRead) {
  class Recorder final : public ReadObserver {
   public:
    void Observe(std::uint64_t offset, std::span<const std::byte> bytes) const override {
      seen.emplace_back(offset, bytes.size());
    }
    mutable std::vector<std::pair<std::uint64_t, std::size_t>> seen;
  };
  const auto recorder = std::make_shared<const Recorder>();
  const auto plan = LowerToPlan(ops::Observe(Floats({1.0f, 2.0f, 3.0f}), recorder).value()).value();
  std::vector<std::byte> bytes(6);
  ASSERT_TRUE(plan.ReadAt(4, bytes).ok());
  EXPECT_EQ(recorder->seen, (std::vector<std::pair<std::uint64_t, std::size_t>>{{4, 6}}));
}

}  // namespace
}  // namespace shardfs
