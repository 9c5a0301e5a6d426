// Random checkpoints: the layout's whole view against the evaluator's directory, every byte of it.
// SHARDFS_RANDOM_CASES: how many; SHARDFS_RANDOM_FIRST: the seed of the first, to repeat one that failed.
#include "evaluator/random_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <optional>

#include "evaluator/case_comparison.h"
#include "evaluator/layout_options.h"
#include "layout/huggingface/huggingface_reader.h"
#include "layout/mindie/mindie_layout.h"

namespace shardfs::evaluator {
namespace {

struct Outcome {
  bool refused = false;  // by the evaluator
  bool layout_refused = false;
  Differences differences;
};

Outcome RunCase(RandomNumbers* random, const RandomCase& random_case) {
  const Scratch scratch;
  WriteSource(random, random_case, scratch.path());
  std::optional<Directory> expected;
  std::string reason;
  try {
    expected = Evaluate(scratch.path(), random_case.given);
  } catch (const Refused& refused) {
    reason = refused.what();
  }
  const auto checkpoint = HuggingfaceReader().Open(scratch.path(), OptionValues());
  if (!checkpoint.ok()) return {!expected, true, {checkpoint.status().ToString()}};
  const auto layout = BuildMindieView(*checkpoint, OptionsForLayout(random_case.given));
  if (!expected && layout.ok()) return {true, false, {"should be refused: " + reason}};
  if (!expected) return {true, true, {}};
  if (!layout.ok()) return {false, true, {"is refused: " + layout.status().ToString()}};
  return {false, false, Compare(*layout->tree, *expected)};
}

std::string Message(std::uint64_t seed, const RandomCase& random_case, const Outcome& outcome) {
  std::string message = "seed " + std::to_string(seed) + ": " + random_case.ToString();
  for (std::size_t i = 0; i < std::min<std::size_t>(outcome.differences.size(), 6); ++i) {
    message += "\n  " + outcome.differences[i];
  }
  return message;
}

void RunCases(bool quantised, Fidelity fidelity) {
  const std::uint64_t first = FromEnvironment("SHARDFS_RANDOM_FIRST", 1);
  const std::uint64_t count = FromEnvironment("SHARDFS_RANDOM_CASES", 40);
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    RandomNumbers random(seed);
    RandomCase random_case = ChooseCase(&random, quantised, fidelity);
    MakeTensors(&random, &random_case);
    const Outcome outcome = RunCase(&random, random_case);
    if (outcome.refused) ++refused;
    if (outcome.differences.empty()) continue;
    ++failed;
    ADD_FAILURE() << Message(seed, random_case, outcome);
  }
  std::cout << count << " cases, of them refused: " << refused << "\n";
  EXPECT_LE(refused * 4, count + 10) << "too few cases were compared";
}

TEST(RandomCaseTest, FloatAsTheSharderWrites) { RunCases(false, Fidelity::kSharder); }
TEST(RandomCaseTest, FloatAsTheLoaderNeeds) { RunCases(false, Fidelity::kLoader); }
TEST(RandomCaseTest, QuantisedAsTheSharderWrites) { RunCases(true, Fidelity::kSharder); }
TEST(RandomCaseTest, QuantisedAsTheLoaderNeeds) { RunCases(true, Fidelity::kLoader); }

// Damaged sources: whatever the evaluator refuses, the layout must refuse; it may refuse more, and what it shows must
// be right.
TEST(RandomCaseTest, DamageIsRefusedOrHarmless) {
  const std::uint64_t first = FromEnvironment("SHARDFS_RANDOM_FIRST", 1);
  const std::uint64_t count = FromEnvironment("SHARDFS_RANDOM_CASES", 40);
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    RandomNumbers random(seed);
    RandomCase random_case =
        ChooseCase(&random, random.Chance(80), random.Chance(50) ? Fidelity::kSharder : Fidelity::kLoader);
    MakeTensors(&random, &random_case);
    const std::string damage = Damage(&random, &random_case);
    const Outcome outcome = RunCase(&random, random_case);
    if (outcome.layout_refused || outcome.differences.empty()) continue;
    ++failed;
    ADD_FAILURE() << Message(seed, random_case, outcome) << "\n  damage: " << damage;
  }
}

}  // namespace
}  // namespace shardfs::evaluator
