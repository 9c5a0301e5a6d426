// Sixteen processes on one mount at once, as sixteen ranks load it; and what is left when it is gone.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <random>

#include "end_to_end/mounted_program.h"
#include "fuse/fuse_available.h"
#include "tools/processes.h"
#include "tools/wait_until.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

// What one reader does: the whole tree in an order of its own, half of it by mmap. 0 when every byte was right.
int ReadEverything(const fs::path& mount, const fs::path& expected, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> files = FilesBelow(expected);
  std::shuffle(files.begin(), files.end(), random);
  for (const std::string& file : files) {
    if (file == "model_sharded_metadata.json") continue;
    const std::string bytes = random() % 2 == 0 ? ReadMapped(mount / file, MAP_SHARED) : ReadFile(mount / file);
    if (bytes != ReadFile(expected / file)) return 1;
  }
  return 0;
}

TEST(ManyReaders, SixteenProcessesGetTheRightBytesAndUnmountLeavesNothing) {
  SHARDFS_REQUIRE_FUSE();
  const GoldenCase golden = FindGoldenCase("bf16_dp2tp8_mtp4ep4");
  const MountedProgram mount(golden.source, LayoutArguments(golden));
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  ASSERT_FALSE(ProcessesNaming(mount.path()).empty());

  std::vector<pid_t> readers;
  for (unsigned rank = 0; rank < 16; ++rank) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) ::_exit(ReadEverything(mount.path(), golden.expected, rank + 1));
    readers.push_back(pid);
  }
  for (const pid_t pid : readers) {
    int status = -1;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0) << "a reader got wrong bytes or was killed";
  }

  const ProgramResult result = RunShardfs({"umount", mount.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(fs::is_empty(mount.path()));
  EXPECT_EQ(ReadFile("/proc/self/mountinfo").find(mount.path()), std::string::npos);
  EXPECT_TRUE(WaitUntil([&] { return ProcessesNaming(mount.path()).empty(); }));
}

}  // namespace
}  // namespace shardfs::testing
