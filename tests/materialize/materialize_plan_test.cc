#include "shardfs/materialize/materialize_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "materialize/temporary_directory.h"
#include "materialize/test_files.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MaterializePlanTest : public ::testing::Test {
 protected:
  MaterializePlanTest() {
    fs::create_directory(root_ / "source");
    VirtualTreeBuilder builder;
    EXPECT_TRUE(builder.AddFile("config.json", RankSet::All(4), Pattern(1, 10)).ok());
    EXPECT_TRUE(builder.AddDirectory("a", RankSet::Range(0, 2)).ok());
    EXPECT_TRUE(builder.AddFile("a/0", RankSet::Range(0, 1), Pattern(2, 100)).ok());
    EXPECT_TRUE(builder.AddFile("a/1", RankSet::Range(1, 2), Pattern(3, 1000)).ok());
    EXPECT_TRUE(builder.AddDirectory("b", RankSet::Range(2, 4)).ok());
    EXPECT_TRUE(builder.AddDirectory("b/c", RankSet()).ok());
    EXPECT_TRUE(builder.AddFile("b/c/3", RankSet::Range(3, 4), Pattern(4, 10000)).ok());
    tree_ = std::move(builder).Build();
  }

  Result<MaterializePlan> Plan(const std::optional<RankSet>& ranks) {
    return MaterializePlan::Create(tree_, ranks, root_ / "source", root_ / "out");
  }

  static std::vector<std::string> Files(const MaterializePlan& plan) {
    std::vector<std::string> paths;
    for (const PlannedFile& file : plan.files()) paths.push_back(file.path);
    return paths;
  }
  static std::vector<std::string> Directories(const MaterializePlan& plan) {
    return {plan.directories().begin(), plan.directories().end()};
  }

  TemporaryDirectory root_;
  std::shared_ptr<const VirtualTree> tree_;
};

TEST_F(MaterializePlanTest, Everything) {
  const auto plan = Plan(std::nullopt);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Files(*plan), testing::UnorderedElementsAre("config.json", "a/0", "a/1", "b/c/3"));
  EXPECT_THAT(Directories(*plan), ElementsAre("a", "b", "b/c"));
  EXPECT_EQ(plan->total_bytes(), 11110u);
  EXPECT_EQ(plan->destination(), (fs::canonical(root_.path()) / "out").string());
  EXPECT_FALSE(plan->destination_exists());
  EXPECT_FALSE(fs::exists(root_ / "out")) << "planning writes nothing";
}

TEST_F(MaterializePlanTest, WhatSomeRanksLoad) {
  const auto plan = Plan(RankSet::Range(1, 2));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Files(*plan), testing::UnorderedElementsAre("config.json", "a/1"));
  EXPECT_THAT(Directories(*plan), ElementsAre("a"));
  EXPECT_EQ(plan->total_bytes(), 1010u);
}

TEST_F(MaterializePlanTest, RefusesTheNamesOfItsOwnFiles) {
  for (const char* name : {".shardfs", ".shardfs-complete", ".shardfs-journal", ".shardfs-tmp-0"}) {
    VirtualTreeBuilder builder;
    EXPECT_TRUE(builder.AddFile(name, RankSet::All(4), Pattern(1, 10)).ok());
    tree_ = std::move(builder).Build();
    const auto plan = Plan(std::nullopt);
    EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(plan.status().message()), testing::HasSubstr(name));
  }
}

TEST_F(MaterializePlanTest, ADirectoryThatARankNeedsIsMadeThoughEmpty) {
  const auto plan = Plan(RankSet::Range(2, 3));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Files(*plan), ElementsAre("config.json"));
  EXPECT_THAT(Directories(*plan), ElementsAre("b"));
}

TEST_F(MaterializePlanTest, AFileBringsItsDirectories) {
  const auto plan = Plan(RankSet::Range(3, 4));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Directories(*plan), ElementsAre("b", "b/c"));
}

TEST_F(MaterializePlanTest, NoRanksNothingButTheRoot) {
  const auto plan = Plan(RankSet());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Files(*plan), IsEmpty());
  EXPECT_THAT(Directories(*plan), IsEmpty());
  EXPECT_EQ(plan->total_bytes(), 0u);
}

TEST_F(MaterializePlanTest, RefusalsLeaveNothing) {
  WriteFile(root_ / "out/file", "kept");
  EXPECT_EQ(Plan(std::nullopt).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadFile(root_ / "out/file"), "kept");
  fs::remove_all(root_ / "out");
  EXPECT_EQ(MaterializePlan::Create(tree_, std::nullopt, root_ / "source", root_ / "source/out").status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(fs::is_empty(root_ / "source"));
}

TEST_F(MaterializePlanTest, NoRoom) {
  const SmallFilesystem filesystem("size=8k");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  const auto plan = MaterializePlan::Create(tree_, std::nullopt, root_ / "source", filesystem.path() + "/out");
  EXPECT_EQ(plan.status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(fs::is_empty(filesystem.path()));
}

}  // namespace
}  // namespace shardfs
