// .shardfs, as a program sees it through the kernel.
#include "fuse/status_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "fuse/fuse_available.h"
#include "fuse/prometheus_parser.h"
#include "fuse/sample_tree.h"
#include "fuse/status_snapshots.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class StatusDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    FuseOptions options;
    options.attributes = {.uid = ::geteuid(), .gid = ::getegid(), .file_mode = 0640, .directory_mode = 0750};
    mount_ = std::make_unique<MountedTree>(SampleTree(), options);
    ASSERT_TRUE(mount_->status().ok()) << mount_->status();
  }

  FileDescriptor Open(const std::string& name, int flags = O_RDONLY) const {
    return FileDescriptor(::open(mount_->PathOf(name).c_str(), flags | O_CLOEXEC));
  }
  Json Status() const { return Json::parse(ReadFile(mount_->PathOf(".shardfs/status.json"))); }
  PrometheusText Metrics() const { return PrometheusText(ReadFile(mount_->PathOf(".shardfs/metrics"))); }

  // The state once the kernel's RELEASE, which nobody waits for, has come, and reads that are answered have been
  // measured.
  Json StatusWith(std::int64_t open_files) const {
    Json status = Status();
    (void)WaitUntil([&] {
      status = Status();
      return status["open_files"] == open_files && status["reads"]["in_progress"] == 0;
    });
    return status;
  }

  std::unique_ptr<MountedTree> mount_;
};

TEST_F(StatusDirectoryTest, IsFoundByNameButNotListed) {
  struct stat attributes {};
  EXPECT_EQ(::stat(mount_->PathOf(".shardfs").c_str(), &attributes), 0);
  for (const auto& entry : fs::recursive_directory_iterator(mount_->path())) {
    EXPECT_NE(entry.path().filename(), ".shardfs");
  }
  const MountableDirectory copy;
  fs::copy(mount_->PathOf("model-a"), copy.path() / "model-a", fs::copy_options::recursive);
  fs::copy(mount_->PathOf("many"), copy.path() / "many", fs::copy_options::recursive);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(mount_->path())) names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"config.json", "empty.json", "faulty.bin", "many", "model-a"}));
}

TEST_F(StatusDirectoryTest, ListsItsOwnFiles) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(mount_->PathOf(".shardfs"))) {
    names.insert(entry.path().filename());
    EXPECT_TRUE(entry.is_regular_file());
  }
  EXPECT_EQ(names, (std::set<std::string>{"metrics", "status.json"}));
  struct stat attributes {};
  EXPECT_EQ(::stat(mount_->PathOf(".shardfs/other").c_str(), &attributes), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(::stat(mount_->PathOf("model-a/.shardfs").c_str(), &attributes), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(StatusDirectoryTest, HasTheOwnerOfTheViewAndMayNotBeWritten) {
  struct stat attributes {};
  const time_t before = ::time(nullptr);
  ASSERT_EQ(::stat(mount_->PathOf(".shardfs").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFDIR | 0550});
  ASSERT_EQ(::stat(mount_->PathOf(".shardfs/metrics").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFREG | 0440});
  EXPECT_EQ(attributes.st_uid, ::geteuid());
  EXPECT_GT(attributes.st_size, 1000);
  EXPECT_GE(attributes.st_mtim.tv_sec, before - 1);  // time() counts in ticks of the clock
  EXPECT_LE(attributes.st_mtim.tv_sec, ::time(nullptr) + 1);
  EXPECT_FALSE(Open(".shardfs/metrics", O_WRONLY).valid());
  EXPECT_EQ(errno, EROFS);
  EXPECT_FALSE(Open(".shardfs/new", O_WRONLY | O_CREAT).valid());
}

TEST_F(StatusDirectoryTest, CountsReadsByKindAndErrorsByCause) {
  ASSERT_EQ(ReadFile(mount_->PathOf("config.json")), kConfigText);
  char byte = 0;
  EXPECT_EQ(::pread(Open("faulty.bin").get(), &byte, 1, kFaultySize - 1), -1);
  const Json status = StatusWith(0);
  EXPECT_EQ(status["health"], "degraded");
  EXPECT_EQ(status["reads"]["by_kind"]["generated"]["reads"], 1);
  EXPECT_EQ(status["reads"]["by_kind"]["generated"]["bytes"], std::string(kConfigText).size());
  EXPECT_GE(status["reads"]["by_kind"]["passthrough"]["reads"], 1);
  EXPECT_EQ(status["reads"]["by_kind"]["passthrough"]["bytes"], 0);
  EXPECT_GE(status["errors"]["by_cause"]["io_error"], 1);
  EXPECT_EQ(status["errors"]["by_cause"]["source_changed"], 0);
  EXPECT_NE(status["errors"]["last"]["message"].get<std::string>().find("faulty.bin"), std::string::npos);
  EXPECT_GT(status["read_latency_seconds"]["p50"].get<double>(), 0);
  const PrometheusText metrics = Metrics();
  EXPECT_EQ(metrics.error(), "");
  EXPECT_EQ(metrics["shardfs_reads_total{kind=\"generated\"}"], 1);
  EXPECT_EQ(metrics["shardfs_read_duration_seconds_count"], status["reads"]["total"].get<double>());
}

TEST_F(StatusDirectoryTest, GaugesGoUpAndReturnToZero) {
  EXPECT_EQ(Status()["open_files"], 0) << "its own files are not counted";
  {
    const FileDescriptor first = Open("config.json");
    const FileDescriptor second = Open("model-a/model.safetensors");
    const FileDescriptor directory = Open("many", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(Status()["open_files"], 2);
  }
  EXPECT_EQ(StatusWith(0)["open_files"], 0);
  EXPECT_EQ(StatusWith(0)["reads"]["in_progress"], 0);
}

TEST_F(StatusDirectoryTest, AnOpenFileKeepsItsText) {
  const FileDescriptor before = Open(".shardfs/status.json");
  ASSERT_EQ(ReadFile(mount_->PathOf("config.json")), kConfigText);
  const FileDescriptor after = Open(".shardfs/status.json");
  const auto read_in_pieces = [](const FileDescriptor& file) {
    std::string text;
    char piece[7];
    for (ssize_t count; (count = ::read(file.get(), piece, sizeof piece)) > 0;) {
      text.append(piece, static_cast<std::size_t>(count));
    }
    return Json::parse(text);
  };
  EXPECT_EQ(read_in_pieces(before)["reads"]["total"], 0);
  EXPECT_EQ(read_in_pieces(after)["reads"]["total"], 1);
  char byte = 0;
  EXPECT_EQ(::pread(after.get(), &byte, 1, 1 << 30), 0) << "behind the end";
}

TEST_F(StatusDirectoryTest, DescriptorsThatAreNeverClosedAreBounded) {
  std::vector<FileDescriptor> files;
  for (std::size_t i = 0; i < StatusSnapshots::kMost; ++i) {
    files.push_back(Open(".shardfs/metrics"));
    ASSERT_TRUE(files.back().valid()) << i;
  }
  EXPECT_FALSE(Open(".shardfs/metrics").valid());
  EXPECT_EQ(errno, ENFILE);
  EXPECT_EQ(ReadFile(mount_->PathOf("config.json")), kConfigText) << "the view is not affected";
  files.clear();
  FileDescriptor again;
  EXPECT_TRUE(WaitUntil([&] {
    again = Open(".shardfs/metrics");
    return again.valid();
  }));
}

// What fstat() says is what is read, though others look the name up and open it meanwhile.
TEST_F(StatusDirectoryTest, HasTheSizeThatIsRead) {
  const std::string path = mount_->PathOf(".shardfs/status.json");
  std::vector<std::string> wrong(8);
  {
    std::vector<std::jthread> readers;
    for (std::string& result : wrong) {
      readers.emplace_back([&path, &result, this] {
        for (int i = 0; i < 50 && result.empty(); ++i) {
          struct stat named {};
          struct stat opened {};
          if (::stat(path.c_str(), &named) != 0) result = "no stat";
          const FileDescriptor file = Open(".shardfs/status.json");
          if (::fstat(file.get(), &opened) != 0) result = "no fstat";
          std::string text(static_cast<std::size_t>(opened.st_size) + 100, '\0');
          const ssize_t count = ::pread(file.get(), text.data(), text.size(), 0);
          text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
          if (static_cast<off_t>(text.size()) != opened.st_size || !Json::accept(text)) result = "read " + text;
          if (named.st_size == 0 || named.st_ino != opened.st_ino) result = "another file";
        }
      });
    }
  }
  for (const std::string& result : wrong) EXPECT_EQ(result, "");
}

// For as long as a text is young, so that a test on a busy machine may try again.
TEST_F(StatusDirectoryTest, AThreadOpensWhatItHasAskedTheSizeOf) {
  const std::string path = mount_->PathOf(".shardfs/status.json");
  bool same = false;
  for (int i = 0; i < 100 && !same; ++i) {
    struct stat named {};
    struct stat opened {};
    ASSERT_EQ(::stat(path.c_str(), &named), 0);
    std::thread([this] { EXPECT_TRUE(Open(".shardfs/status.json").valid()); }).join();
    ASSERT_EQ(::fstat(Open(".shardfs/status.json").get(), &opened), 0);
    same = named.st_mtim.tv_sec == opened.st_mtim.tv_sec && named.st_mtim.tv_nsec == opened.st_mtim.tv_nsec;
  }
  EXPECT_TRUE(same);
}

TEST(StatusDirectoryViewTest, AViewsOwnEntryOfThatNameIsKept) {
  SHARDFS_REQUIRE_FUSE();
  VirtualTreeBuilder builder;
  ASSERT_TRUE(builder.AddFile(".shardfs", RankSet::All(1), MakeGeneratedFile("mine")).ok());
  MountedTree mount(std::move(builder).Build());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  EXPECT_EQ(ReadFile(mount.PathOf(".shardfs")), "mine");
}

}  // namespace
}  // namespace shardfs
