// Runs that end too early, and the runs that go on from there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <array>
#include <filesystem>
#include <functional>

#include "materialize/journal.h"
#include "materialize/resume_fixture.h"
#include "materialize/temporary_directory.h"
#include "materialize/temporary_path.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ResumeTest, AFailedRunKeepsWhatIsCompleteAndTheNextGoesOn) {
  const auto failed = RunThatFails();
  EXPECT_EQ(failed.status().code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(failed.status().message()),
              AllOf(HasSubstr("d/b"), HasSubstr("1 of 3 files are complete and kept: run the same command again")));
  EXPECT_THAT(Names(), ElementsAre(".shardfs-journal", "a", "d"));

  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 1u);
  EXPECT_EQ(summary->kept_bytes, kSize);
  EXPECT_EQ(reads_["a"], 0);
  EXPECT_GT(reads_["d/b"], 0);
  ExpectComplete();
}

// It would fail in the same way.
TEST_F(ResumeTest, ASourceThatContradictsItselfIsNotWorthAnotherRun) {
  const auto failed = Run([](std::uint64_t) { return Status::Corruption("values that must agree differ"); });
  EXPECT_EQ(failed.status().code(), StatusCode::kCorruption);
  EXPECT_THAT(std::string(failed.status().message()),
              AllOf(HasSubstr("1 of 3 files are complete and kept"), HasSubstr("correct the source"), Not(HasSubstr("again"))));
}

TEST_F(ResumeTest, ACancelledRunIsGoneOnWith) {
  const auto cancelled = Run([this](std::uint64_t) {
    stop_.request_stop();
    return Status::Ok();
  });
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(std::string(cancelled.status().message()), HasSubstr("run the same command again to go on"));
  EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
  ASSERT_TRUE(Run().ok());
  ExpectComplete();
}

TEST_F(ResumeTest, ACompleteRunIsLeftAsItIs) {
  ASSERT_TRUE(Run().ok());
  const auto again = Run();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->kept_files, 3u);
  EXPECT_TRUE(reads_.empty());
  options_.verify = true;
  EXPECT_TRUE(Run().ok());
  WriteFile(out_ + "/a", std::string(kSize, 'x'));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("does not hold what was written"), HasSubstr("give --replace")));
  fs::remove(out_ + "/a");
  EXPECT_TRUE(Run().ok());
  ExpectComplete();
}

TEST_F(ResumeTest, ACompleteRunThatLostFilesIsGoneOnWith) {
  const auto lose = std::to_array<std::function<void()>>({
      [this] { fs::remove(out_ + "/a"); },
      [this] { fs::resize_file(out_ + "/a", 1); },
      [this] { fs::remove_all(out_ + "/d"); },
      [this] {
        fs::remove(out_ + "/a");
        fs::remove_all(out_ + "/d");
      },
  });
  for (const bool restart : {false, true}) {
    for (const auto& some : lose) {
      plan_options_.restart = false;
      fs::remove_all(out_);
      ASSERT_TRUE(Run().ok());
      some();
      plan_options_.restart = restart;
      const auto summary = Run();
      ASSERT_TRUE(summary.ok()) << summary.status();
      EXPECT_LE(summary->kept_files, restart ? 0u : 2u);
      ExpectComplete();
    }
  }
}

// What is left of it is not believed by its size: who removed files may have done more.
TEST_F(ResumeTest, ACompleteRunThatLostFilesKeepsTheOthersByTheirDigests) {
  ASSERT_TRUE(Run().ok());
  fs::remove(out_ + "/d/b");
  WriteFile(out_ + "/d/c", std::string(kSize, 'x'));
  const auto failed = RunThatFails();
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("1 of 3 files are complete and kept"));
  EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 1u);
  EXPECT_EQ(reads_["a"], 0);
  ExpectComplete();
}

// What kill -9 can leave: names without journal entries, temporaries, an entry torn off.
TEST_F(ResumeTest, WhatTheJournalDoesNotCallCompleteIsWrittenAnew) {
  ASSERT_FALSE(RunThatFails().ok());
  WriteFile(out_ + "/d/b", "named before its journal entry");
  WriteFile(out_ + "/" + TemporaryPath("d/c"), "half");
  std::ofstream(out_ + "/.shardfs-journal", std::ios::app) << "0123456789abcdef";
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(reads_["a"], 0);
  ExpectComplete();
}

TEST_F(ResumeTest, ACompleteFileOfAnotherSizeIsWrittenAnew) {
  ASSERT_FALSE(RunThatFails().ok());
  fs::resize_file(out_ + "/a", kSize - 1);
  ASSERT_TRUE(Run().ok());
  EXPECT_GT(reads_["a"], 0);
  ExpectComplete();
}

// The journal of a machine that was started anew since: its files are believed by their digests only.
TEST_F(ResumeTest, AfterAPowerFailureFilesAreKeptByTheirDigests) {
  for (const bool damaged : {false, true}) {
    fs::remove_all(out_);
    ASSERT_FALSE(RunThatFails().ok());
    std::string journal = ReadFile(out_ + "/.shardfs-journal");
    const std::string boot = CurrentBoot();
    const auto first_end = journal.find('\n');
    std::string first = journal.substr(33, first_end - 33);
    first.replace(first.find(boot), boot.size(), "another start of the machine");
    WriteFile(out_ + "/.shardfs-journal",
              FileDigest::OfBytes(std::as_bytes(std::span(first))).ToHex() + " " + first + journal.substr(first_end));
    if (damaged) WriteFile(out_ + "/a", std::string(kSize, '\0'));
    ASSERT_TRUE(Run().ok());
    EXPECT_EQ(reads_["a"] > 0, damaged);
    ExpectComplete();
  }
}

TEST_F(ResumeTest, AnotherRunIsRefusedUnlessItIsToBeginAgain) {
  ASSERT_FALSE(RunThatFails().ok());
  plan_options_.identity = {{"tp", "4"}};
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("tp"), HasSubstr("8"), HasSubstr("4"), HasSubstr("--replace")));
  EXPECT_TRUE(fs::exists(out_ + "/a"));
  plan_options_.restart = true;
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 0u);
  ExpectComplete();
  plan_options_ = {{{"tp", "2"}}, false};
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("another complete run"), HasSubstr("--replace")));
}

TEST_F(ResumeTest, ReplacingThrowsAwayAnotherRun) {
  plan_options_.replace = true;
  ASSERT_TRUE(Run().ok());
  for (const char* tp : {"4", "2"}) {
    plan_options_.identity = {{"tp", tp}};
    ASSERT_FALSE(RunThatFails().ok());
    EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete")) << "nothing of the other run may look complete";
    plan_options_.identity = {{"tp", std::string("1") + tp}};
    const auto summary = Run();
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->kept_files, 0u);
    ExpectComplete();
  }
}

// A run of other files, so that what it leaves cannot be taken for the new one's.
TEST_F(ResumeTest, ReplacingLeavesNothingOfTheOtherRun) {
  VirtualTreeBuilder builder;
  ASSERT_TRUE(builder.AddDirectory("old", RankSet::All(1)).ok());
  ASSERT_TRUE(builder.AddFile("old/x", RankSet::All(1), Pattern(1, kSize, nullptr)).ok());
  const auto plan = MaterializePlan::Create(std::move(builder).Build(), std::nullopt, root_ / "source", out_,
                                            {.identity = {{"tp", "16"}}});
  ASSERT_TRUE(plan.ok()) << plan.status();
  MaterializeProgress progress;
  ASSERT_TRUE(Materialize(*plan, options_, progress, {}).ok());
  plan_options_.replace = true;
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(Names(), ElementsAre(".shardfs-complete", ".shardfs-manifest.json", "a", "d", "d/b", "d/c"));
  ExpectComplete();
}

TEST_F(ResumeTest, ReplacingKeepsTheSameRun) {
  plan_options_.replace = true;
  ASSERT_FALSE(RunThatFails().ok());
  auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 1u);
  summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 3u);
  ExpectComplete();
}

// Found out before the first of the good files goes.
TEST_F(ResumeTest, ReplacingRefusesWhatTheOtherRunDidNotMake) {
  ASSERT_TRUE(Run().ok());
  plan_options_ = {.identity = {{"tp", "4"}}, .replace = true};
  for (const char* mine : {"/mine", "/d/mine"}) {
    WriteFile(out_ + mine, "kept");
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(std::string(mine).substr(1)), HasSubstr("did not make")));
    EXPECT_EQ(ReadFile(out_ + mine), "kept");
    fs::remove(out_ + mine);
    ExpectComplete();
  }
  fs::create_directory_symlink(root_ / "source", out_ + "/link");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'link'"), HasSubstr("did not make")));
  fs::remove(out_ + "/link");
  ExpectComplete();
}

// Nor is anybody told to throw away what is being written just now.
TEST_F(ResumeTest, ARunThatIsAtWorkIsNotReplaced) {
  ASSERT_FALSE(RunThatFails().ok());
  WriteFile(out_ + "/d/begun", "since the journal was read");
  const FileDescriptor journal(::open((out_ + "/.shardfs-journal").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(journal.get(), LOCK_EX | LOCK_NB), 0);
  plan_options_.identity = {{"tp", "4"}};
  for (const bool replace : {false, true}) {
    plan_options_.replace = replace;
    EXPECT_THAT(Refusal(), AllOf(HasSubstr("another run is writing there"), Not(HasSubstr("--replace"))));
  }
  EXPECT_TRUE(fs::exists(out_ + "/a"));
}

TEST_F(ResumeTest, ReplacingRefusesADamagedManifest) {
  ASSERT_TRUE(Run().ok());
  std::string manifest = ReadFile(out_ + "/.shardfs-manifest.json");
  manifest[manifest.find("tp")] = 'x';
  WriteFile(out_ + "/.shardfs-manifest.json", manifest);
  plan_options_ = {.identity = {{"tp", "4"}}, .replace = true};
  EXPECT_THAT(Refusal(), HasSubstr(".shardfs-manifest.json"));
  EXPECT_TRUE(fs::exists(out_ + "/a"));
}

TEST_F(ResumeTest, BeginningAgainRemovesOnlyItsOwn) {
  ASSERT_FALSE(RunThatFails().ok());
  WriteFile(out_ + "/mine", "kept");
  plan_options_.restart = true;
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'mine'"), HasSubstr("did not make")));
  EXPECT_EQ(ReadFile(out_ + "/mine"), "kept");
  EXPECT_TRUE(fs::exists(out_ + "/a")) << "nothing goes before that is known";
}

TEST_F(ResumeTest, ADamagedJournalIsRefused) {
  ASSERT_FALSE(RunThatFails().ok());
  std::string journal = ReadFile(out_ + "/.shardfs-journal");
  journal[journal.find("tp")] = 'x';
  WriteFile(out_ + "/.shardfs-journal", journal);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("line 1"), HasSubstr("remove it")));
  EXPECT_TRUE(fs::exists(out_ + "/a"));
}

TEST_F(ResumeTest, VerifyFindsWhatChangedUnderTheRun) {
  options_.verify = true;
  const auto damaged = Run([this](std::uint64_t) {
    WriteFile(out_ + "/a", std::string(kSize, 'x'));  // complete by then
    return Status::Ok();
  });
  EXPECT_EQ(damaged.status().code(), StatusCode::kDifferent);
  EXPECT_THAT(std::string(damaged.status().message()), AllOf(HasSubstr("out/a'"), HasSubstr("its digest is")));
  EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 2u);
  ExpectComplete();
}

// F8: the filesystem fills up in the middle, by somebody else's doing.
TEST_F(ResumeTest, F8AFullFilesystemKeepsWhatIsComplete) {
  const SmallFilesystem filesystem("size=4m");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  out_ = filesystem.path() + "/out";
  const std::string other = filesystem.path() + "/other";
  const auto full = Run([&other](std::uint64_t) {
    WriteFile(other, std::string(3'000'000, 'x'));
    return Status::Ok();
  });
  EXPECT_EQ(full.status().code(), StatusCode::kResourceExhausted) << full.status();
  EXPECT_THAT(std::string(full.status().message()), HasSubstr("1 of 3 files are complete and kept"));
  EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
  EXPECT_THAT(Refusal(), HasSubstr("available")) << "the preflight knows that there still is no room";
  EXPECT_TRUE(fs::exists(out_ + "/a"));

  fs::remove(other);
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 1u);
  ExpectComplete();
}

TEST_F(ResumeTest, RoomIsCountedForWhatIsStillToBeWritten) {
  const SmallFilesystem filesystem("size=3200k");  // room for the files once, not for more
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  out_ = filesystem.path() + "/out";
  ASSERT_FALSE(RunThatFails().ok());
  WriteFile(out_ + "/" + TemporaryPath("d/b"), std::string(kSize, 'x'));  // as kill -9 leaves it
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectComplete();
}

}  // namespace
}  // namespace shardfs
