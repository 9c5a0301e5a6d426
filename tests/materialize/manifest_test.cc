#include "shardfs/materialize/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace shardfs {
namespace {

using ::testing::HasSubstr;

Manifest Sample() {
  return {{{"layout", "mindie"}, {"tp", "8"}},
          {"a", "a/b"},
          {{"a/0", 5, FileDigest::OfBlocks({})}, {"c.json", 0, FileDigest::OfBytes({})}}};
}

TEST(ManifestTest, IsReadAsItWasWritten) {
  const auto manifest = Manifest::Parse(Sample().Serialize(), "m");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->run, Sample().run);
  EXPECT_EQ(manifest->directories, Sample().directories);
  ASSERT_EQ(manifest->files.size(), 2u);
  EXPECT_EQ(manifest->files[0].path, "a/0");
  EXPECT_EQ(manifest->files[0].size, 5u);
  EXPECT_EQ(manifest->files[1].digest, FileDigest::OfBytes({}));
}

TEST(ManifestTest, HostileOnesAreRefused) {
  const std::string text = Sample().Serialize();
  const auto with = [&text](const std::string& from, const std::string& to) {
    std::string changed = text;
    const auto at = changed.find(from);
    EXPECT_NE(at, changed.npos) << from;
    return changed.replace(at, from.size(), to);
  };
  const struct {
    std::string text;
    const char* reason;
  } kCases[] = {
      {"", "m"},
      {"[]", "no manifest of shardfs"},
      {"{}", "no manifest of shardfs"},
      {with("\"shardfs_manifest\": 1", "\"shardfs_manifest\": 9"), "its version is"},
      {with("4194304", "4096"), "'digest_block' is '4096' and must be 4194304"},
      {with("\"digest_block\"", "\"block\""), "no 'digest_block'"},
      {with("\"tp\": \"8\"", "\"tp\": 8"), "'tp' of 'run' is not a string"},
      {with("\"run\"", "\"ran\""), "'run' is not an object"},
      {with("\"a/0\"", "\"../a\""), "no path of a file below"},
      {with("\"a/0\"", "\"z\""), "not in ascending order"},
      {with("\"a/0\"", "\"c.json\""), "file 'c.json' stands twice"},
      {with("\"a/0\"", "7"), "'path' of a file is not a string"},
      {with("\"a/b\"", "\"a/../b\""), "no path of a directory"},
      {with("\"a/b\"", "\"a\""), "directory 'a' stands twice"},
      {with("\"a/b\"", "\"A\""), "directory 'A' is not in ascending order"},
      {with("\"a/b\"", "7"), "'directories' holds something else than strings"},
      {with("\"size\": 5", "\"size\": -5"), "which no file has"},
      {with("\"size\": 5", "\"size\": 99999999999999999999"), "which no file has"},
      {with("\"size\": 5", "\"size\": \"5\""), "which no file has"},
      {with("\"size\": 5,", ""), "a file has no 'size'"},
      {with("\"size\": 5,", "\"size\": 5, \"mode\": 0,"), "a file has other members"},
      {with("\"digest\": \"", "\"digest\": \"x"), "must be 32 digits"},
      {with("\"directories\"", "\"folders\""), "no 'directories'"},
      {with("\"files\": [", "\"files\": {}, \"x\": ["), "'files' is not an array"},
      {with("\"files\": [", "\"files\": [[],"), "a file is no object"},
      {std::string(100'000, '['), "m"},
  };
  for (const auto& hostile : kCases) {
    const auto manifest = Manifest::Parse(hostile.text, "m");
    ASSERT_FALSE(manifest.ok()) << hostile.reason;
    EXPECT_THAT(std::string(manifest.status().message()), HasSubstr(hostile.reason));
  }
}

TEST(RelativePathTest, OnlyWhatIsBelow) {
  for (const char* good : {"a", "a/b", ".hidden", "...", "a b"}) EXPECT_TRUE(IsSafeRelativePath(good)) << good;
  for (const char* bad : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b"}) {
    EXPECT_FALSE(IsSafeRelativePath(bad)) << bad;
  }
  EXPECT_FALSE(IsSafeRelativePath(std::string(256, 'a')));
  EXPECT_FALSE(IsSafeRelativePath(std::string_view("a\0b", 3)));
}

TEST(RunIdentityTest, NamesTheFirstDifference) {
  const RunIdentity run = {{"tp", "8"}, {"dp", "2"}};
  EXPECT_EQ(DescribeDifference(run, run), std::nullopt);
  EXPECT_THAT(*DescribeDifference(run, {{"tp", "8"}, {"dp", "4"}}), HasSubstr("there and"));
  EXPECT_THAT(*DescribeDifference(run, {{"tp", "8"}, {"dp", "2"}, {"-O x", "1"}}), HasSubstr("not given"));
  EXPECT_TRUE(DescribeDifference({{"tp", "8"}, {"dp", "2"}, {"-O x", "1"}}, run).has_value());
  EXPECT_THAT(*DescribeDifference({{"source", "a"}, {"source options", "x=1"}}, {{"source", "b"}}),
              HasSubstr("'source options'"))
      << "the digest differs because the option does";
}

}  // namespace
}  // namespace shardfs
