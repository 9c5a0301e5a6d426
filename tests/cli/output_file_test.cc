// Files that a command writes must not be the checkpoint's.
#include "service/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class OutputFileTest : public testing::Test {
 protected:
  OutputFileTest() {
    fs::copy(GoldenCase() + "/source", source_);
    fs::create_directory(root_ / "view");
    fs::create_directory(root_ / "other");
  }

  // By mount --log-file and by plan --html, neither of which touches it.
  void ExpectRefused(const std::string& path) const {
    const std::string before = ReadFile(path);
    std::vector<std::string> mount = GoldenArguments("mount", {root_ / "view", "--log-file", path});
    std::vector<std::string> plan = GoldenArguments("plan", {"--html", path});
    for (std::vector<std::string>* arguments : {&mount, &plan}) {
      arguments->at(1) = source_;
      const ProgramResult result = RunShardfs(*arguments);
      EXPECT_EQ(result.exit_code, 2) << path << result.err;
      EXPECT_THAT(result.err, HasSubstr(path + " belongs to the source " + source_));
      EXPECT_TRUE(ReadFile(path) == before) << path;
    }
  }

  TemporaryDirectory root_;
  std::string source_ = root_ / "source";
};

TEST_F(OutputFileTest, FilesOfTheSourceAreRefused) {
  ExpectRefused(source_ + "/config.json");
  ExpectRefused(source_ + "/model-00001-of-00002.safetensors");
  ExpectRefused(source_ + "/new");
  EXPECT_FALSE(fs::exists(source_ + "/new"));
  fs::create_directory(source_ + "/below");
  ExpectRefused(source_ + "/below/new");
  ExpectRefused(root_ / "other/../source/config.json");
}

TEST_F(OutputFileTest, LinksToThemAreRefused) {
  fs::create_symlink(source_ + "/config.json", root_ / "link");
  ExpectRefused(root_ / "link");
  fs::create_symlink("source/new", root_ / "dangling");
  ExpectRefused(root_ / "dangling");
  fs::create_directory_symlink(source_, root_ / "directory");
  ExpectRefused(root_ / "directory/new");
  fs::create_hard_link(source_ + "/config.json", root_ / "hard");
  ExpectRefused(root_ / "hard");
  fs::rename(source_ + "/config.json", root_ / "other/blob");
  fs::create_symlink("../other/blob", source_ + "/config.json");
  ExpectRefused(root_ / "other/blob");
}

TEST_F(OutputFileTest, AFifoWithoutAReaderIsNotWaitedFor) {
  const std::string fifo = root_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (std::vector<std::string> arguments :
       {GoldenArguments("plan", {"--html", fifo}), GoldenArguments("mount", {root_ / "view", "--log-file", fifo})}) {
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(fifo + ": it is a FIFO that no process reads; start its reader first"));
  }
  // One that is read gets all of it.
  std::string page;
  std::thread reader([&] { page = ReadFile(fifo); });
  int exit_code = 2;
  for (int i = 0; i < 100 && exit_code == 2; ++i) {  // until the thread has come to open it
    exit_code = RunShardfs(GoldenArguments("plan", {"--html", fifo})).exit_code;
  }
  EXPECT_EQ(exit_code, 0);
  reader.join();
  EXPECT_THAT(page, HasSubstr("</html>"));
}

TEST_F(OutputFileTest, OthersAreNot) {
  EXPECT_TRUE(CheckOutsideSource("the page", root_ / "page.html", source_).ok());
  EXPECT_TRUE(CheckOutsideSource("the page", root_ / "source2", source_).ok());
  EXPECT_TRUE(CheckOutsideSource("the page", "/dev/stdout", source_).ok());
  EXPECT_TRUE(CheckOutsideSource("the page", root_ / "missing/page.html", root_ / "no-source").ok());
}

}  // namespace
}  // namespace shardfs
