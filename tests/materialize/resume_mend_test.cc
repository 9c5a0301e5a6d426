// Runs that find what an earlier one completed damaged since, and what is said of runs that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>

#include "materialize/resume_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ResumeMendTest = ResumeTest;

// A file of the right size and other bytes, in a complete tree and in one that was not finished.
TEST_F(ResumeMendTest, ReplacingMendsTheSameRun) {
  for (const bool complete : {true, false}) {
    fs::remove_all(out_);
    plan_options_.replace = false;
    ASSERT_EQ((complete ? Run() : RunThatFails()).ok(), complete);
    WriteFile(out_ + "/a", std::string(kSize, 'x'));
    plan_options_.replace = true;
    const auto summary = Run();
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_THAT(summary->mended, ElementsAre("a"));
    EXPECT_EQ(summary->kept_files, complete ? 2u : 0u);
    EXPECT_EQ(reads_["d/c"] == 0, complete);
    ExpectComplete();
    const auto again = Run();
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->mended.empty());
    EXPECT_TRUE(reads_.empty());
  }
}

TEST_F(ResumeMendTest, WhatIsGoneIsMendedWithoutBeingAsked) {
  ASSERT_TRUE(Run().ok());
  fs::remove(out_ + "/d/b");
  fs::resize_file(out_ + "/d/c", 1);
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(summary->mended, ElementsAre("d/b", "d/c"));
  ExpectComplete();
}

// A read that fails because the source breaks a rule fails the next time as well.
TEST_F(ResumeMendTest, NobodyIsToldToRunAgainWhereThatIsOfNoUse) {
  for (const auto& [status, again] : {std::pair(Status::Corruption("no"), false),
                                      {Status::NotSupported("no"), false},
                                      {Status::InvalidArgument("no"), false},
                                      {Status::IoError("no"), true},
                                      {Status::ResourceExhausted("no"), true}}) {
    fs::remove_all(out_);
    const auto failed = Run([&status = status](std::uint64_t) { return status; });
    EXPECT_EQ(std::string(failed.status().message()).find("again") != std::string::npos, again) << failed.status();
    EXPECT_THAT(std::string(failed.status().message()), HasSubstr("1 of 3 files are complete and kept"));
    EXPECT_THAT(std::string(failed.status().message()), HasSubstr(again ? "go on" : "correct the source"));
  }
}

}  // namespace
}  // namespace shardfs
