#include "materialize/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const RunIdentity kRun = {{"layout", "mindie"}, {"tp", "8"}};
const FileDigest kDigest = FileDigest::OfBlocks({});

std::string Line(const std::string& json) {
  return FileDigest::OfBytes(std::as_bytes(std::span(json))).ToHex() + " " + json + "\n";
}
const std::string kFirst = Line(R"({"shardfs_journal": 1, "boot": "b", "run": {"tp": "8"}})");

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() : root_(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

  std::string Text() const { return ReadFile(directory_ / kJournalName); }
  Result<Journal> Begin() { return Journal::Begin(root_.get(), directory_.path().string(), kRun); }

  TemporaryDirectory directory_;
  FileDescriptor root_;
};

TEST_F(JournalTest, SaysWhatWasDone) {
  auto journal = Begin();
  ASSERT_TRUE(journal.ok()) << journal.status();
  ASSERT_TRUE(journal->DirectoryMade("a").ok());
  ASSERT_TRUE(journal->FileBegun("a/\"quoted\"\n").ok());
  ASSERT_TRUE(journal->FileBegun("a/b").ok());
  ASSERT_TRUE(journal->FileDone({"a/b", 1234567890123, kDigest}).ok());
  const auto contents = ReadJournal(root_.get(), directory_.path().string());
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->run, kRun);
  EXPECT_EQ(contents->boot, CurrentBoot());
  EXPECT_THAT(contents->directories, ElementsAre("a"));
  EXPECT_THAT(contents->files, ElementsAre("a/\"quoted\"\n", "a/b"));
  ASSERT_EQ(contents->done.size(), 1u);
  EXPECT_EQ(contents->done.at("a/b").size, 1234567890123u);
  EXPECT_EQ(contents->done.at("a/b").digest, kDigest);
  EXPECT_EQ(contents->valid_bytes, Text().size());
}

TEST_F(JournalTest, OneRunAtATime) {
  const auto journal = Begin();
  ASSERT_TRUE(journal.ok()) << journal.status();
  const auto contents = ReadJournal(root_.get(), directory_.path().string());
  const auto second = Journal::Continue(root_.get(), directory_.path().string(), *contents);
  EXPECT_EQ(second.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another run is writing there"));
}

// Of a run on a machine that does not see the locks of this one.
TEST_F(JournalTest, IsNeverPutInThePlaceOfAnother) {
  auto first = Begin();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->IsAnothers(root_.get()));
  const std::string text = Text();
  const auto second = Begin();
  EXPECT_EQ(second.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another run has begun"));
  EXPECT_EQ(Text(), text);
  WriteFile(directory_ / "other", text);
  std::filesystem::rename(directory_ / "other", directory_ / kJournalName);
  EXPECT_TRUE(first->IsAnothers(root_.get()));
  std::filesystem::remove(directory_ / kJournalName);
  EXPECT_FALSE(first->IsAnothers(root_.get()));
}

TEST_F(JournalTest, ATornEndIsCutOff) {
  {
    auto journal = Begin();
    ASSERT_TRUE(journal->FileBegun("a").ok());
    ASSERT_TRUE(journal->FileDone({"a", 1, kDigest}).ok());
  }
  const std::string whole = Text();
  const std::string next = Line(R"({"file": "b"})");
  for (std::size_t length = 1; length < next.size(); ++length) {
    const auto contents = ParseJournal(whole + next.substr(0, length), "j");
    ASSERT_TRUE(contents.ok()) << length << contents.status();
    EXPECT_EQ(contents->valid_bytes, whole.size());
    EXPECT_EQ(contents->files.size(), 1u);
  }
  WriteFile(directory_ / kJournalName, whole + std::string(100, '\0') + "\n");  // what a power failure can leave
  const auto contents = ReadJournal(root_.get(), directory_.path().string());
  ASSERT_TRUE(contents.ok()) << contents.status();
  auto journal = Journal::Continue(root_.get(), directory_.path().string(), *contents);
  ASSERT_TRUE(journal.ok()) << journal.status();
  ASSERT_TRUE(journal->FileBegun("b").ok());
  EXPECT_EQ(Text(), whole + next);
}

TEST_F(JournalTest, AnotherRunMeanwhileIsNoticed) {
  { ASSERT_TRUE(Begin().ok()); }
  const auto contents = ReadJournal(root_.get(), directory_.path().string());
  {
    auto journal = Journal::Continue(root_.get(), directory_.path().string(), *contents);
    ASSERT_TRUE(journal->FileBegun("a").ok());
  }
  const auto late = Journal::Continue(root_.get(), directory_.path().string(), *contents);
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("run again"));
}

TEST_F(JournalTest, AFileThatIsBegunAgainIsNotComplete) {
  const std::string done = R"({"done": "a", "size": 1, "digest": ")" + kDigest.ToHex() + "\"}";
  const auto contents = ParseJournal(kFirst + Line(R"({"file": "a"})") + Line(done) + Line(R"({"file": "a"})"), "j");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_TRUE(contents->done.empty());
}

TEST(JournalParseTest, HostileOnesAreRefused) {
  const std::string hex = kDigest.ToHex();
  const struct {
    std::string text;
    const char* reason;
  } kCases[] = {
      {"", "does not say what the run was"},
      {"garbage\n", "does not say what the run was"},
      {Line("{}"), "line 1: it is no journal of shardfs"},
      {Line("[1]"), "line 1: it is no object"},
      {Line(R"({"file": "a"})"), "no journal of shardfs"},
      {Line(R"({"shardfs_journal": "1", "boot": "", "run": {}})"), "no journal of shardfs"},
      {Line(R"({"shardfs_journal": 1, "boot": ""})"), "'run' is not an object"},
      {Line(R"({"shardfs_journal": 2, "boot": "", "run": {}})"), "its version is"},
      {Line(R"({"shardfs_journal": 1, "boot": "", "run": {"tp": 8}})"), "'tp' of 'run' is not a string"},
      {Line(R"({"shardfs_journal": 1, "run": {}})"), "'boot' is not a string"},
      {Line(R"({"shardfs_journal": 1, "shardfs_journal": 1})"), "shardfs_journal"},
      {kFirst + "changed\n" + Line(R"({"file": "a"})"), "line 2: it was changed"},
      {kFirst + Line("not JSON"), "line 2"},
      {kFirst + Line(R"({"other": "a"})"), "neither a directory nor a file"},
      {kFirst + Line(R"({"file": "../a"})"), "no path below the directory"},
      {kFirst + Line(R"({"file": "/etc/passwd"})"), "no path below the directory"},
      {kFirst + Line(R"({"file": "a\u0000b"})"), "no path below the directory"},
      {kFirst + Line("{}"), "neither a directory nor a file"},
      {kFirst + Line(R"({"directory": 7})"), "'directory' is not a string"},
      {kFirst + Line(R"({"file": ["a"]})"), "'file' is not a string"},
      {kFirst + Line(R"({"directory": "a", "x": 1})"), "other members than 'directory'"},
      {kFirst + Line(R"({"x": "../a", "file": "a"})"), "other members than 'file'"},
      {kFirst + Line(R"({"done": "a", "size": 1, "digest": ")" + hex + "\"}"), "without having begun"},
      {kFirst + Line(R"({"done": "a", "size": -1, "digest": ")" + hex + "\"}"), "which no file has"},
      {kFirst + Line(R"({"done": "a", "size": 1e3, "digest": ")" + hex + "\"}"), "which no file has"},
      {kFirst + Line(R"({"done": "a", "size": 1, "digest": "12"})"), "must be 32 digits"},
      {kFirst + Line(R"({"done": "..", "size": 1, "digest": ")" + hex + "\"}"), "no path of a file"},
      {kFirst + Line(R"({"done": "a", "size": 1})"), "a file has no 'digest'"},
      {kFirst + Line(R"({"done": ["a"], "size": 1, "digest": ")" + hex + "\"}"), "'done' of a file is not a string"},
      {kFirst + Line(R"({"done": "a", "size": 1, "x": 1, "digest": ")" + hex + "\"}"), "a file has other members"},
  };
  for (const auto& hostile : kCases) {
    const auto contents = ParseJournal(hostile.text, "j");
    ASSERT_FALSE(contents.ok()) << hostile.text;
    EXPECT_THAT(std::string(contents.status().message()), HasSubstr(hostile.reason)) << hostile.text;
  }
}

}  // namespace
}  // namespace shardfs
