// Guards on what reading a plan costs that do not depend on the clock: allocations, and how often a source is asked.
// A program of its own: operator new is replaced.
#include <gtest/gtest.h>

#include <memory>

#include "shardfs/tensor/read_plan.h"
#include "tensor/counting_source.h"
#include "tools/allocations.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/lora_add.h"
#include "tensor/ops/observe.h"
#include "tensor/ops/require_close.h"
#include "tensor/ops/subtract_min.h"
#include "tensor/ops/to_integers.h"

namespace shardfs::testing {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kSourceBytes = 8 * kMiB;

class IdleObserver final : public ReadObserver {
 public:
  void Observe(std::uint64_t, std::span<const std::byte>) const override {}
};

// A plan of 1 MiB or more, and how often a read of 1 MiB may ask a mapped source.
struct Case {
  std::string name;
  TensorPtr tensor;
  std::uint64_t accesses;
};

// One of each kind of segment, and of each way to read it.
std::vector<Case> AllCases(const ByteSource& source) {
  const auto whole = [&](Dtype dtype, Shape shape) {
    return Tensor::Source(&source, 0, dtype, std::move(shape)).value();
  };
  const TensorPtr floats = whole(Dtype::kF32, {2048, 1024});
  const TensorPtr halves = whole(Dtype::kBF16, {4096, 1024});
  const TensorPtr bytes = whole(Dtype::kI8, {4096, 2048});
  const TensorPtr rows = Tensor::Slice(bytes, 1, 512, 1024).value();
  const TensorPtr transposed = Tensor::Permute(halves, {1, 0}).value();
  const TensorPtr even = Tensor::Slice(floats, 0, 0, 1024).value();
  const TensorPtr odd = Tensor::Slice(floats, 0, 1024, 2048).value();
  const TensorPtr gate = Tensor::Source(&source, 0, Dtype::kI8, {256, 8192}).value();
  const TensorPtr up = Tensor::Source(&source, 4 * kMiB, Dtype::kI8, {256, 8192}).value();
  std::vector<std::uint64_t> listed;
  for (std::uint64_t i = 0; i < 4096; ++i) listed.push_back(i * 1777 % 4096);
  const TensorPtr less_minimum = ops::SubtractMin(floats).value();

  std::vector<Case> cases;
  cases.push_back({"literal", Tensor::Literal(Dtype::kI8, {kMiB}, std::string(kMiB, 'x')).value(), 0});
  cases.push_back({"zeros", Tensor::Zeros(Dtype::kI8, {kMiB}).value(), 0});
  cases.push_back({"copy", bytes, 1});
  cases.push_back({"rows", rows, 2});
  cases.push_back({"listed rows", Tensor::RowGather(rows, 0, listed).value(), 2});
  cases.push_back({"transpose", transposed, 2});
  cases.push_back({"cast", ops::Cast(halves, Dtype::kF32).value(), 2});
  cases.push_back({"cast of a transpose", ops::Cast(transposed, Dtype::kF16).value(), 64});
  cases.push_back({"bits", ops::F32BitsToI64(floats).value(), 2});
  cases.push_back({"rounded bits", ops::F16RoundedBitsToI64(floats).value(), 2});
  cases.push_back({"product", ops::Multiply(even, odd).value(), 128});
  cases.push_back({"comparison", ops::RequireClose(even, even).value(), 128});
  cases.push_back(
      {"transposed halves in turn", Tensor::Permute(Tensor::Concat({gate, up}, 0).value(), {1, 0}).value(), 64});
  cases.push_back({"long rows in turn", Tensor::Concat({even, odd}, 1).value(), 32});
  cases.push_back({"minimum subtracted", less_minimum, 32});
  cases.push_back({"rows of what is computed", Tensor::Slice(less_minimum, 1, 256, 768).value(), 512});
  const TensorPtr b = Tensor::Source(&source, 0, Dtype::kBF16, {4096, 16}).value();
  const TensorPtr a = Tensor::Source(&source, kMiB, Dtype::kF32, {16, 1024}).value();
  const TensorPtr merged =
      ops::LoraAdd(halves, {b, a, {LoraAxis::kRowsOfB, LoraAxis::kColumnsOfA}, 2.0f}).value();
  cases.push_back({"LoRA", merged, 8});
  cases.push_back({"transpose of LoRA", Tensor::Permute(merged, {1, 0}).value(), 64});
  cases.push_back({"observed", ops::Observe(rows, std::make_shared<const IdleObserver>()).value(), 2});
  return cases;
}

// Whole, and at odd offsets.
void ReadAround(const Case& which, const ReadPlan& plan, std::span<std::byte> buffer) {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{1}, plan.size() / 3, plan.size() - buffer.size()}) {
    const Status status = plan.ReadAt(std::min(offset, plan.size() - buffer.size()), buffer);
    ASSERT_TRUE(status.ok()) << which.name << ": " << status;
  }
}

TEST(ReadGuard, ReadingAllocatesNothing) {
  for (const bool mapped : {true, false}) {
    const CountingSource source(kSourceBytes, mapped);
    std::vector<std::byte> buffer(kMiB);
    for (const Case& which : AllCases(source)) {
      const ReadPlan plan = LowerToPlan(which.tensor).value();
      ReadAround(which, plan, buffer);  // what is found once: kernels, minima
      StartCounting();
      ReadAround(which, plan, buffer);
      EXPECT_EQ(StopCounting(), 0u) << which.name << (mapped ? ", mapped" : ", not mapped");
    }
  }
}

TEST(ReadGuard, AllocationsAreCounted) {
  StartCounting();
  const auto value = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(value->size(), 100u);
  EXPECT_GE(StopCounting(), 2u);
}

TEST(ReadGuard, AMappedSourceIsAskedSeldom) {
  const CountingSource source(kSourceBytes, true);
  std::vector<std::byte> buffer(kMiB);
  for (const Case& which : AllCases(source)) {
    const ReadPlan plan = LowerToPlan(which.tensor).value();
    ASSERT_TRUE(plan.ReadAt(0, buffer).ok()) << which.name;
    const std::uint64_t before = source.accesses();
    ASSERT_TRUE(plan.ReadAt(0, buffer).ok()) << which.name;
    EXPECT_LE(source.accesses() - before, which.accesses) << which.name;
  }
}

}  // namespace
}  // namespace shardfs::testing
