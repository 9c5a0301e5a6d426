#include "shardfs/materialize/materializer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <vector>

#include "materialize/temporary_directory.h"
#include "materialize/temporary_path.h"
#include "materialize/test_files.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::uint64_t kChunk = 4u << 20;  // bytes of a piece of work

mode_t ModeOf(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

class MaterializerTest : public ::testing::Test {
 protected:
  MaterializerTest() { fs::create_directory(root_ / "source"); }

  void AddDirectory(const std::string& path) { ASSERT_TRUE(builder_.AddDirectory(path, RankSet::All(2)).ok()); }
  void AddFile(const std::string& path, std::unique_ptr<const VirtualFile> file) {
    const Status status = builder_.AddFile(path, RankSet::All(2), std::move(file));
    ASSERT_TRUE(status.ok()) << status;
  }

  Result<MaterializeSummary> Run(const std::string& destination) {
    SHARDFS_ASSIGN_OR_RETURN(
        const MaterializePlan plan,
        MaterializePlan::Create(std::move(builder_).Build(), std::nullopt, root_ / "source", destination));
    return Materialize(plan, options_, progress_, stop_.get_token());
  }
  Result<MaterializeSummary> Run() { return Run(root_ / "out"); }

  // Of two files the first is changed while the second is written.
  void ExpectIncompleteAfter(const std::function<void(const fs::path&)>& change, const std::string& what) {
    AddFile("a", Pattern(1, 10));
    AddFile("b", Pattern(2, 10, [this, change](std::uint64_t) {
              change(root_ / "out/a");
              return Status::Ok();
            }));
    options_.threads = 1;
    const auto summary = Run();
    EXPECT_EQ(summary.status().code(), StatusCode::kIoError) << summary.status();
    EXPECT_THAT(std::string(summary.status().message()),
                AllOf(HasSubstr("out/a' was written with 10 bytes"), HasSubstr(what)));
    EXPECT_FALSE(fs::exists(root_ / "out/.shardfs-complete"));
  }

  TemporaryDirectory root_;
  VirtualTreeBuilder builder_;
  MaterializeOptions options_;
  MaterializeProgress progress_;
  std::stop_source stop_;
};

TEST_F(MaterializerTest, WritesEveryByte) {
  const std::vector<std::uint64_t> sizes = {0, 1, 4095, 4096, 4097, kChunk - 1, kChunk, kChunk + 1, 2 * kChunk + 12345};
  std::uint64_t total = 0;
  AddDirectory("d");
  AddDirectory("d/e");
  AddDirectory("empty");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    AddFile((i % 2 == 0 ? "d/e/" : "") + std::to_string(i), Pattern(i, sizes[i]));
    total += sizes[i];
  }
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->files, sizes.size());
  EXPECT_EQ(summary->directories, 3u);
  EXPECT_EQ(summary->bytes, total);
  EXPECT_EQ(progress_.bytes_done, total);
  EXPECT_EQ(progress_.files_done, sizes.size());

  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::recursive_directory_iterator(root_ / "out")) ++entries;
  EXPECT_EQ(entries, sizes.size() + 3 + 2) << "nothing but manifest and marker, no temporary name, no journal";
  EXPECT_TRUE(fs::exists(root_ / "out/.shardfs-manifest.json"));
  EXPECT_TRUE(fs::exists(root_ / "out/.shardfs-complete"));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const fs::path path = fs::path(root_ / "out") / (i % 2 == 0 ? "d/e" : "") / std::to_string(i);
    EXPECT_TRUE(ReadFile(path) == PatternText(i, sizes[i])) << path;
  }
}

TEST_F(MaterializerTest, DefaultModes) {
  AddDirectory("d");
  AddFile("d/file", Pattern(1, 10));
  const mode_t umask_before = ::umask(0077);
  const auto summary = Run();
  ::umask(umask_before);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(ModeOf(root_ / "out"), 0750u);
  EXPECT_EQ(ModeOf(root_ / "out/d"), 0750u);
  EXPECT_EQ(ModeOf(root_ / "out/d/file"), 0640u);
}

TEST_F(MaterializerTest, ReadOnlyModes) {
  AddDirectory("d");
  AddDirectory("d/e");
  AddFile("d/e/file", Pattern(1, 10));
  options_.file_mode = 0440;
  options_.directory_mode = 0550;
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (const char* directory : {"out", "out/d", "out/d/e"}) EXPECT_EQ(ModeOf(root_ / directory), 0550u) << directory;
  EXPECT_EQ(ModeOf(root_ / "out/d/e/file"), 0440u);
  for (const char* directory : {"out", "out/d", "out/d/e"}) fs::permissions(root_ / directory, fs::perms(0750));
}

TEST_F(MaterializerTest, OwnerAndGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give files away";
  AddDirectory("d");
  AddFile("d/file", Pattern(1, 10));
  options_.uid = 1234;
  options_.gid = 4321;
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (const char* path : {"out", "out/d", "out/d/file"}) {
    struct stat info {};
    ASSERT_EQ(::stat((root_ / path).c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 1234u) << path;
    EXPECT_EQ(info.st_gid, 4321u) << path;
  }
}

TEST_F(MaterializerTest, FillsAnEmptyDirectory) {
  fs::create_directory(root_ / "out");
  fs::permissions(root_ / "out", fs::perms(0777));
  AddFile("file", Pattern(1, 10));
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(ModeOf(root_ / "out"), 0750u);
  EXPECT_EQ(ReadFile(root_ / "out/file"), PatternText(1, 10));
}

// Two files of which each can be read only once the other has been started.
TEST_F(MaterializerTest, WritesFilesAtTheSameTime) {
  std::mutex mutex;
  std::condition_variable changed;
  int started = 0;
  const auto meet = [&](std::uint64_t) {
    std::unique_lock lock(mutex);
    ++started;
    changed.notify_all();
    const bool met = changed.wait_for(lock, std::chrono::seconds(60), [&] { return started == 4; });
    return met ? Status::Ok() : Status::IoError("alone");
  };
  for (const char* name : {"a", "b", "c", "d"}) AddFile(name, Pattern(1, 100, meet));
  options_.threads = 4;  // more than a small machine has CPUs
  const auto summary = Run();
  EXPECT_TRUE(summary.ok()) << summary.status();
}

TEST_F(MaterializerTest, ManyFiles) {
  constexpr std::uint64_t kFiles = 500;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    if (i % 50 == 0) AddDirectory("d" + std::to_string(i / 50));
    AddFile("d" + std::to_string(i / 50) + "/" + std::to_string(i), Pattern(i, i * 37));
  }
  options_.threads = 8;
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    const std::string path = root_ / ("out/d" + std::to_string(i / 50) + "/" + std::to_string(i));
    ASSERT_TRUE(ReadFile(path) == PatternText(i, i * 37)) << path;
  }
}

TEST_F(MaterializerTest, NothingToWrite) {
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(fs::is_directory(root_ / "out"));
}

TEST_F(MaterializerTest, AFailedReadNamesTheFileAndLeavesNothing) {
  AddDirectory("d");
  AddFile("first", Pattern(1, 3 * kChunk));
  AddFile("d/bad", Pattern(2, 2 * kChunk, [](std::uint64_t offset) {
            return offset < kChunk ? Status::Ok() : Status::SourceChanged("the source 'x' was truncated");
          }));
  AddFile("d/last", Pattern(3, 10));
  options_.threads = 1;
  options_.keep = false;
  const auto summary = Run();
  EXPECT_EQ(summary.status().code(), StatusCode::kSourceChanged);
  EXPECT_THAT(std::string(summary.status().message()),
              AllOf(HasSubstr("d/bad"), HasSubstr("4194304"), HasSubstr("'x' was truncated"), HasSubstr("removed")));
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(MaterializerTest, AFailureLeavesAnEmptyDestinationAsItWas) {
  fs::create_directory(root_ / "out");
  fs::permissions(root_ / "out", fs::perms(0711));
  AddDirectory("d");
  AddFile("d/good", Pattern(1, 100));
  AddFile("d/bad", Pattern(2, 10, [](std::uint64_t) { return Status::IoError("no"); }));
  options_.keep = false;
  EXPECT_EQ(Run().status().code(), StatusCode::kIoError);
  EXPECT_TRUE(fs::is_empty(root_ / "out"));
  EXPECT_EQ(ModeOf(root_ / "out"), 0711u);
}

TEST_F(MaterializerTest, SaysSoWhenItCannotRemoveEverything) {
  AddDirectory("d");
  AddFile("d/bad", Pattern(2, 10, [this](std::uint64_t) {
            WriteFile(root_ / "out/d/foreign", "somebody else's");
            return Status::IoError("no");
          }));
  const auto summary = Run();
  EXPECT_THAT(std::string(summary.status().message()),
              AllOf(HasSubstr("incomplete and must not be used"), HasSubstr("out/d'")));
  EXPECT_EQ(ReadFile(root_ / "out/d/foreign"), "somebody else's");
  EXPECT_FALSE(fs::exists(root_ / ("out/" + TemporaryPath("d/bad"))));
}

TEST_F(MaterializerTest, IsNotCompleteWithoutAFileThatSomebodyTookAway) {
  ExpectIncompleteAfter([](const fs::path& file) { fs::remove(file); }, "is not there");
}

TEST_F(MaterializerTest, IsNotCompleteWithAFileThatSomebodyCutShort) {
  ExpectIncompleteAfter([](const fs::path& file) { fs::resize_file(file, 9); }, "has 9");
}

TEST_F(MaterializerTest, WritesTheLongestName) {
  const std::string name(255, 'n');
  AddFile(name, Pattern(1, 10));
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(ReadFile(root_ / ("out/" + name)), PatternText(1, 10));
}

TEST_F(MaterializerTest, CancelLeavesNothing) {
  AddDirectory("d");
  AddFile("d/done", Pattern(1, 3 * kChunk));
  AddFile("d/running", Pattern(2, 2 * kChunk, [this](std::uint64_t) {
            EXPECT_TRUE(fs::exists(root_ / "out/d/done"));
            EXPECT_TRUE(fs::exists(root_ / ("out/" + TemporaryPath("d/running"))));
            stop_.request_stop();
            return Status::Ok();
          }));
  options_.threads = 1;
  options_.keep = false;
  const auto summary = Run();
  EXPECT_EQ(summary.status().code(), StatusCode::kCancelled);
  EXPECT_GT(progress_.bytes_done, 3 * kChunk);
  EXPECT_LE(progress_.bytes_done, 4 * kChunk) << "what is in work is finished, nothing else is begun";
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(MaterializerTest, CancelledBeforeTheStart) {
  AddFile("file", Pattern(1, 10));
  stop_.request_stop();
  EXPECT_EQ(Run().status().code(), StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(MaterializerTest, AFilesystemThatFillsUpMeanwhile) {
  const SmallFilesystem filesystem("size=4m");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  AddFile("first", Pattern(1, 2'000'000, [&filesystem](std::uint64_t) {
            WriteFile(filesystem.path() + "/other", std::string(1'500'000, 'x'));
            return Status::Ok();
          }));
  AddFile("second", Pattern(2, 1'000'000));
  options_.threads = 1;
  options_.keep = false;
  const auto summary = Run(filesystem.path() + "/out");
  EXPECT_EQ(summary.status().code(), StatusCode::kResourceExhausted) << summary.status();
  EXPECT_THAT(std::string(summary.status().message()), HasSubstr("cannot write"));
  EXPECT_FALSE(fs::exists(filesystem.path() + "/out"));
  EXPECT_TRUE(fs::exists(filesystem.path() + "/other"));
}

TEST_F(MaterializerTest, ADestinationThatAppearsMeanwhileIsNotTouched) {
  AddFile("file", Pattern(1, 10));
  const auto plan = MaterializePlan::Create(std::move(builder_).Build(), std::nullopt, root_ / "source", root_ / "out");
  ASSERT_TRUE(plan.ok()) << plan.status();
  WriteFile(root_ / "out/theirs", "kept");
  EXPECT_FALSE(Materialize(*plan, options_, progress_, stop_.get_token()).ok());
  EXPECT_EQ(ReadFile(root_ / "out/theirs"), "kept");
}

}  // namespace
}  // namespace shardfs
