// Runs of materialize of the same three files into the same place, one after the other.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "materialize/temporary_directory.h"
#include "materialize/test_files.h"
#include "shardfs/materialize/manifest_verifier.h"
#include "shardfs/materialize/materializer.h"

namespace shardfs {

class ResumeTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kSize = 1'000'000;  // of each file

  ResumeTest() {
    std::filesystem::create_directory(root_ / "source");
    options_.threads = 1;
    plan_options_.identity = {{"tp", "8"}};
  }

  // Three files of which the middle one calls `hook`; reads are counted by file.
  std::shared_ptr<const VirtualTree> Tree(PatternFile::Hook hook = nullptr) {
    reads_.clear();
    VirtualTreeBuilder builder;
    EXPECT_TRUE(builder.AddDirectory("d", RankSet::All(1)).ok());
    for (const char* name : {"a", "d/b", "d/c"}) {
      const auto count = [this, name, hook](std::uint64_t offset) {
        ++reads_[name];
        return hook && std::string(name) == "d/b" ? hook(offset) : Status::Ok();
      };
      EXPECT_TRUE(
          builder.AddFile(name, RankSet::All(1), Pattern(static_cast<std::uint64_t>(name[0]) + kSize, kSize, count))
              .ok());
    }
    return std::move(builder).Build();
  }

  Result<MaterializeSummary> Run(PatternFile::Hook hook = nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(
        const MaterializePlan plan,
        MaterializePlan::Create(Tree(std::move(hook)), std::nullopt, root_ / "source", out_, plan_options_));
    stop_ = std::stop_source();
    MaterializeProgress progress;
    return Materialize(plan, options_, progress, stop_.get_token());
  }

  Result<MaterializeSummary> RunThatFails() {
    return Run([](std::uint64_t) { return Status::IoError("no"); });
  }

  std::string Refusal() {
    const auto summary = Run();
    EXPECT_FALSE(summary.ok());
    return std::string(summary.status().message());
  }

  void ExpectComplete() {
    EXPECT_TRUE(std::filesystem::exists(out_ + "/.shardfs-complete"));
    EXPECT_FALSE(std::filesystem::exists(out_ + "/.shardfs-journal"));
    EXPECT_TRUE(ReadFile(out_ + "/a") == PatternText('a' + kSize, kSize));
    EXPECT_TRUE(ReadFile(out_ + "/d/b") == PatternText('d' + kSize, kSize));
    const auto verifier = ManifestVerifier::Create(out_);
    ASSERT_TRUE(verifier.ok()) << verifier.status();
    VerifyProgress progress;
    const auto report = verifier->Run(false, 2, progress, {});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->equal()) << report->differences.front().path << report->differences.front().message;
    EXPECT_EQ(report->files_compared, 3u);
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(out_)) {
      names.push_back(std::filesystem::relative(entry.path(), out_));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory root_;
  std::string out_ = root_ / "out";
  MaterializeOptions options_;
  MaterializePlanOptions plan_options_;
  std::stop_source stop_;
  std::map<std::string, int> reads_;
};

}  // namespace shardfs
