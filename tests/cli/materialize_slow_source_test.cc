// materialize from a source whose every read takes a while.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"
#include "materialize/temporary_directory.h"
#include "tools/checkpoint_writer.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

struct Counters {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  int most_at_once = 0;
};

// One slow_filesystem, from construction to destruction.
class SlowFilesystem {
 public:
  explicit SlowFilesystem(const std::string& directory) : point_(parent_.MakeDirectory("slow")) {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(SHARDFS_SLOW_FILESYSTEM, "slow_filesystem", directory.c_str(), point_.c_str(), "5", nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 1000 && !mounted(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ~SlowFilesystem() {
    ::umount2(point_.c_str(), MNT_DETACH);
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  SlowFilesystem(const SlowFilesystem&) = delete;
  SlowFilesystem& operator=(const SlowFilesystem&) = delete;

  bool mounted() const { return fs::exists(point_ + "/.counters"); }
  const std::string& path() const { return point_; }
  Counters counters() const {
    std::istringstream text(ReadFile(point_ + "/.counters"));
    Counters counters;
    std::string name;
    text >> name >> counters.requests >> name >> counters.bytes >> name >> counters.most_at_once;
    return counters;
  }

 private:
  MountableDirectory parent_;
  std::string point_;
  pid_t pid_ = -1;
};

class MaterializeSlowSourceTest : public ::testing::Test {
 protected:
  // What was asked of a fresh slow file system by a run with that depth; nothing is in the page cache before.
  Counters Run(const std::string& depth) {
    const SlowFilesystem slow(root_ / "source");
    EXPECT_TRUE(slow.mounted());
    const std::string out = root_ / ("out" + depth);
    const ProgramResult result = RunShardfs(
        {"materialize", slow.path(), out, "--tp", "2", "--moe-tp", "2", "--threads", "1", "--io-depth", depth});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return slow.counters();
  }

  TemporaryDirectory root_;
};

TEST_F(MaterializeSlowSourceTest, ManyReadsAreUnderWayAtOnce) {
  SHARDFS_REQUIRE_FUSE();
  tools::CheckpointOptions options;
  options.shape = tools::FindPreset("small")->shape;
  options.fill = tools::Fill::kSparse;
  options.files = 3;
  const auto checkpoint = tools::WriteCheckpoint(root_ / "source", options);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::uint64_t size = 0;
  for (const auto& entry : fs::directory_iterator(root_ / "source")) size += entry.file_size();

  const Counters alone = Run("0");
  const Counters ahead = Run("8");
  EXPECT_GE(ahead.most_at_once, 16);
  EXPECT_GE(ahead.most_at_once, alone.most_at_once * 2);
  EXPECT_LE(ahead.bytes, size + size / 50) << "read ahead and thrown away";
  RecordProperty("most_at_once_without", alone.most_at_once);
  RecordProperty("most_at_once_with", ahead.most_at_once);
}

}  // namespace
}  // namespace shardfs
