// Two runs into one destination, step by step: which of them has it, and that the other leaves it alone. (Processes
// that start at once are in tests/cli/materialize_starts_test.cc.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "materialize/resume_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using TwoRunsTest = ResumeTest;

// A complete tree that needs nothing is looked at by any number of runs at once, and is complete all the while.
TEST_F(TwoRunsTest, RunsThatFindEverythingThereDoNotRefuseEachOther) {
  ASSERT_TRUE(Run().ok());
  const auto other = MaterializePlan::Create(Tree(), std::nullopt, root_ / "source", out_, plan_options_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(Run().ok());
  plan_options_.identity = {{"tp", "4"}};
  plan_options_.replace = true;
  EXPECT_THAT(Refusal(), HasSubstr("another run"));
  ExpectComplete();
}

TEST_F(TwoRunsTest, ADestinationIsTheRunsFromItsPlanOn) {
  fs::create_directory(out_);
  const auto plan = MaterializePlan::Create(Tree(), std::nullopt, root_ / "source", out_, plan_options_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Refusal(), HasSubstr("another run is writing there"));
  EXPECT_THAT(Names(), ElementsAre());
  MaterializeProgress progress;
  ASSERT_TRUE(Materialize(*plan, options_, progress, {}).ok());
  ExpectComplete();
}

// Two runs planned to make the destination; the one that is late leaves what the other made.
TEST_F(TwoRunsTest, ADestinationThatAnotherRunMadeMeanwhileIsItsOwn) {
  for (const bool fails : {false, true}) {
    fs::remove_all(out_);
    const auto late = MaterializePlan::Create(Tree(), std::nullopt, root_ / "source", out_, plan_options_);
    ASSERT_TRUE(late.ok()) << late.status();
    EXPECT_EQ((fails ? RunThatFails() : Run()).ok(), !fails);
    const auto names = Names();
    MaterializeProgress progress;
    const auto refused = Materialize(*late, options_, progress, {});
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("run again"));
    EXPECT_EQ(Names(), names);
    ASSERT_TRUE(Run().ok());
    ExpectComplete();
  }
}

}  // namespace
}  // namespace shardfs
