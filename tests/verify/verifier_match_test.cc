#include "verify/verifier_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "materialize/test_files.h"

namespace shardfs {
namespace {

using ::testing::UnorderedElementsAre;

UnpairedEntry Folder(const std::string& path) { return {path, nullptr, false, 0}; }
UnpairedEntry File(const std::string& path) { return {path, nullptr, true, 10}; }

std::vector<std::string> Describe(const std::vector<UnpairedEntry>& missing, const std::vector<UnpairedEntry>& extra,
                                  const std::vector<Rename>& renames) {
  std::vector<std::string> lines;
  for (const Difference& difference : DescribeNames(missing, extra, renames)) {
    lines.push_back(difference.path + ": " + difference.message);
  }
  return lines;
}

TEST(VerifierMatchTest, AFolderSpeaksForWhatIsInIt) {
  EXPECT_THAT(
      Describe({Folder("a"), File("a-b"), File("a/1"), File("a/2"), File("b/3")}, {Folder("x"), Folder("x/y")}, {}),
      UnorderedElementsAre("a: folder is missing, with 2 files", "a-b: file is missing", "b/3: file is missing",
                           "x: folder is not expected"));
}

TEST(VerifierMatchTest, AFolderThatMovedWhole) {
  EXPECT_THAT(Describe({Folder("a")}, {Folder("x")}, {{"a/1", "x/1"}, {"a/2", "x/2"}}),
              UnorderedElementsAre("a: folder is called 'x'"));
}

TEST(VerifierMatchTest, AFolderThatMovedInPart) {
  EXPECT_THAT(Describe({Folder("a"), File("a/3")}, {Folder("x")}, {{"a/1", "x/1"}, {"a/2", "x/2"}}),
              UnorderedElementsAre("a/1: file is called 'x/1'", "a/2: file is called 'x/2'", "a/3: file is missing"));
  EXPECT_THAT(Describe({Folder("a")}, {Folder("x"), File("x/3")}, {{"a/1", "x/1"}}),
              UnorderedElementsAre("a/1: file is called 'x/1'", "x/3: file is not expected"));
  EXPECT_THAT(Describe({Folder("a")}, {Folder("x"), Folder("y")}, {{"a/1", "x/1"}, {"a/2", "y/2"}}),
              UnorderedElementsAre("a/1: file is called 'x/1'", "a/2: file is called 'y/2'"));
  EXPECT_THAT(Describe({Folder("a")}, {Folder("x")}, {{"a/1", "x/one"}}),
              UnorderedElementsAre("a/1: file is called 'x/one'"));
}

TEST(VerifierMatchTest, NamesOfOtherRanksAreNeitherExpectedNorExtra) {
  VirtualTreeBuilder builder;
  ASSERT_TRUE(builder.AddDirectory("a", RankSet::Range(0, 1)).ok());
  ASSERT_TRUE(builder.AddDirectory("b", RankSet::Range(1, 2)).ok());
  ASSERT_TRUE(builder.AddFile("a/1", RankSet::Range(0, 1), Pattern(1, 10)).ok());
  ASSERT_TRUE(builder.AddFile("b/1", RankSet::Range(1, 2), Pattern(1, 10)).ok());
  const auto tree = std::move(builder).Build();
  using Type = FoundEntry::Type;
  const std::vector<FoundEntry> found = {{"b", Type::kDirectory, 0}, {"b/1", Type::kFile, 10}, {"c", Type::kFile, 10}};

  const Matching some = MatchEntries(*tree, IndexPaths(*tree), RankSet::Range(0, 1), found);
  EXPECT_TRUE(some.files.empty());
  ASSERT_EQ(some.missing.size(), 2u);
  EXPECT_EQ(some.missing[0].path, "a");
  EXPECT_EQ(some.missing[1].path, "a/1");
  ASSERT_EQ(some.extra.size(), 1u);
  EXPECT_EQ(some.extra[0].path, "c");

  const Matching all = MatchEntries(*tree, IndexPaths(*tree), std::nullopt, found);
  ASSERT_EQ(all.files.size(), 1u);
  EXPECT_EQ(all.files[0].path, "b/1");
}

}  // namespace
}  // namespace shardfs
