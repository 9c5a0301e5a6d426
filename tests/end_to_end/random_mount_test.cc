// Random checkpoints of every kind, mounted: what the mount shows against the evaluator, which computes the directory
// by definition and shares no code with the layout. SHARDFS_RANDOM_CASES raises the number of cases.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "end_to_end/mounted_program.h"
#include "evaluator/layout_options.h"
#include "evaluator/random_case.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

// The case as a command line; the rank table is written into `scratch`.
GoldenCase CommandLineOf(const evaluator::RandomCase& random_case, const fs::path& source, const fs::path& scratch) {
  GoldenCase golden;
  golden.source = source;
  golden.options = evaluator::OptionsForLayout(random_case.given);
  if (golden.options.parallel.nodes > 1) {
    golden.rank_table = scratch / "ranktable.json";
    std::ofstream(golden.rank_table) << "{\"server_count\": \"" << golden.options.parallel.nodes << "\"}";
  }
  return golden;
}

void ExpectShown(const fs::path& mount, const evaluator::Directory& expected) {
  std::set<std::string> names = {"model_sharded_metadata.json"};
  for (const auto& [path, bytes] : expected.files) {
    names.insert(path);
    ASSERT_TRUE(fs::exists(mount / path)) << path;
    EXPECT_TRUE(ReadFile(mount / path) == bytes) << path << " differs";
  }
  const auto shown = FilesBelow(mount);
  EXPECT_EQ(std::set<std::string>(shown.begin(), shown.end()), names);
  const auto metadata = ParseJson(ReadFile(mount / "model_sharded_metadata.json"), "metadata");
  ASSERT_TRUE(metadata.ok());
  EXPECT_TRUE(SameMetadata(*metadata, expected.metadata));
}

TEST(RandomMount, ShowsWhatTheEvaluatorComputes) {
  SHARDFS_REQUIRE_FUSE();
  const char* text = std::getenv("SHARDFS_RANDOM_CASES");
  const std::uint64_t cases = text == nullptr ? 12 : std::strtoull(text, nullptr, 10);
  std::uint64_t compared = 0;
  for (std::uint64_t seed = 5'000'000; compared < cases; ++seed) {
    evaluator::RandomNumbers random(seed);
    const auto fidelity = seed % 2 == 0 ? evaluator::Fidelity::kSharder : evaluator::Fidelity::kLoader;
    evaluator::RandomCase random_case = evaluator::ChooseCase(&random, seed % 4 != 0, fidelity);
    if (random_case.given.dp_partition_up) continue;  // comes from the environment, which the runner of programs clears
    evaluator::MakeTensors(&random, &random_case);
    const MountableDirectory scratch;
    const fs::path source = scratch.path() / "source";
    fs::create_directory(source);
    evaluator::WriteSource(&random, random_case, source);
    const GoldenCase golden = CommandLineOf(random_case, source, scratch.path());
    evaluator::Directory expected;
    try {
      expected = evaluator::Evaluate(source, random_case.given);
    } catch (const evaluator::Refused&) {
      continue;  // refusals are compared without a mount, by the thousand
    }
    const MountedProgram mount(source, LayoutArguments(golden));
    ASSERT_EQ(mount.result().exit_code, 0) << "seed " << seed << ": " << mount.result().err;
    ExpectShown(mount.path(), expected);
    ASSERT_FALSE(HasFailure()) << "seed " << seed << ": " << random_case.ToString();
    ++compared;
  }
}

}  // namespace
}  // namespace shardfs::testing
