// Reads of a tensor expression. The input is a list of choices: of the expression, then of the ranges that are read.
// Every range must be what the oracle gives, which evaluates the expression by definition.
#include <algorithm>
#include <memory>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/random_tensor.h"
#include "tensor/reference_evaluate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  testing::FuzzChoices choices(data, size);
  const int depth = 1 + static_cast<int>(choices.Below(6));
  std::vector<std::unique_ptr<testing::MemorySource>> sources;
  const TensorPtr tensor =
      testing::RandomTensor([&](std::uint64_t bound) { return choices.Below(bound); }, depth, &sources);
  const std::vector<std::byte> expected = testing::ReferenceEvaluate(*tensor);
  const auto plan = LowerToPlan(tensor);
  SHARDFS_FUZZ_CHECK(plan.ok() && plan->size() == expected.size());
  std::vector<std::byte> actual(expected.size());
  SHARDFS_FUZZ_CHECK(plan->ReadAt(0, actual).ok() && actual == expected);
  for (int i = 0; i < 4 && !choices.empty(); ++i) {
    const std::uint64_t offset = choices.Below(expected.size() + 1);
    // An allocation of its own, so that a byte too many is one that AddressSanitizer sees.
    std::vector<std::byte> range(choices.Below(expected.size() - offset + 1), std::byte{0xa5});
    SHARDFS_FUZZ_CHECK(plan->ReadAt(offset, range).ok());
    SHARDFS_FUZZ_CHECK(std::equal(range.begin(), range.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset)));
    plan->VisitSources(offset, range.size(), [](const SourceSpan& span) {
      SHARDFS_FUZZ_CHECK(span.offset <= span.source->size() && span.size <= span.source->size() - span.offset);
    });
  }
  return 0;
}
