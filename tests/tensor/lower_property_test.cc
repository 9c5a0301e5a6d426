// Random expressions, read at random ranges, against the oracle that evaluates them by definition.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "shardfs/tensor/read_plan.h"
#include "tensor/random_tensor.h"
#include "tensor/reference_evaluate.h"

namespace shardfs::testing {
namespace {

// SHARDFS_PROPERTY_RUNS raises the number of expressions for a long run, SHARDFS_PROPERTY_SEED repeats a failed one.
std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(LowerProperty, AnyRangeOfAnyExpressionIsWhatTheDefinitionGives) {
  const std::uint64_t runs = FromEnvironment("SHARDFS_PROPERTY_RUNS", 12'000);
  const std::uint64_t base_seed = FromEnvironment("SHARDFS_PROPERTY_SEED", 1);
  std::uint64_t ranges = 0;
  std::uint64_t non_empty = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    const std::uint64_t seed = base_seed + run;
    std::mt19937_64 random(seed);
    std::vector<std::unique_ptr<MemorySource>> sources;
    const TensorPtr tensor = RandomTensor(&random, 1 + static_cast<int>(random() % 8), &sources);
    const std::vector<std::byte> expected = ReferenceEvaluate(*tensor);
    const auto plan = LowerToPlan(tensor);
    ASSERT_TRUE(plan.ok()) << "seed " << seed << ": " << plan.status();
    ASSERT_EQ(plan->size(), expected.size()) << "seed " << seed;
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t offset = i == 0 ? 0 : random() % (expected.size() + 1);
      const std::uint64_t size = i == 0 ? expected.size() : random() % (expected.size() - offset + 1);
      std::vector<std::byte> actual(size, std::byte{0xa5});
      const Status status = plan->ReadAt(offset, actual);
      ASSERT_TRUE(status.ok()) << "seed " << seed << ": " << status;
      ASSERT_TRUE(std::equal(actual.begin(), actual.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset)))
          << "seed " << seed << ", bytes [" << offset << ", +" << size << ") of " << expected.size();
      ++ranges;
      non_empty += size > 0 ? 1 : 0;
    }
  }
  if (!HasFailure()) std::cout << runs << " expressions, " << ranges << " ranges, no difference\n";
  EXPECT_GE(non_empty, ranges / 2) << "the generator makes too many empty tensors to test anything";
}

// The sources that a plan names for a range hold everything that the range depends on: with all other bytes changed,
// the range stays the same.
TEST(LowerProperty, VisitedSourcesCoverWhatARangeDependsOn) {
  for (std::uint64_t seed = 1; seed <= 1'500; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<std::unique_ptr<MemorySource>> sources;
    const TensorPtr tensor = RandomTensor(&random, 1 + static_cast<int>(random() % 6), &sources);
    const auto plan = LowerToPlan(tensor);
    ASSERT_TRUE(plan.ok());
    if (plan->size() == 0) continue;
    const std::uint64_t offset = random() % plan->size();
    const std::uint64_t size = 1 + random() % (plan->size() - offset);
    std::vector<std::byte> before(size);
    ASSERT_TRUE(plan->ReadAt(offset, before).ok());

    std::vector<std::vector<bool>> named(sources.size());
    for (std::size_t s = 0; s < sources.size(); ++s) named[s].resize(sources[s]->bytes().size());
    plan->VisitSources(offset, size, [&](const SourceSpan& span) {
      for (std::size_t s = 0; s < sources.size(); ++s) {
        if (span.source != sources[s].get()) continue;
        ASSERT_LE(span.offset + span.size, sources[s]->size());
        for (std::uint64_t i = 0; i < span.size; ++i) named[s][span.offset + i] = true;
      }
    });
    for (std::size_t s = 0; s < sources.size(); ++s) {
      auto& bytes = const_cast<std::vector<std::byte>&>(sources[s]->bytes());
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (!named[s][i]) bytes[i] ^= std::byte{0xff};
      }
    }
    std::vector<std::byte> after(size);
    ASSERT_TRUE(plan->ReadAt(offset, after).ok());
    ASSERT_EQ(before, after) << "seed " << seed;
  }
}

}  // namespace
}  // namespace shardfs::testing
