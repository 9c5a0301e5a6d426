// The status files of a mount, read by programs of many kinds (status_readers.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

TEST(StatusReadersTest, EveryReaderGetsTheWholeText) {
  SHARDFS_REQUIRE_FUSE();
  if (std::system("python3 -c '' > /dev/null 2>&1") != 0) GTEST_SKIP() << "python3 is not installed";
  const MountableDirectory directory;
  const std::string point = directory.MakeDirectory("mount point");
  const std::string scratch = directory.MakeDirectory("scratch");
  const ProgramResult mounted = RunShardfs(GoldenArguments("mount", {point}));
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  const std::string output = directory.path() / "output";
  const std::string command = "python3 '" SHARDFS_STATUS_READERS "' '" + point + "' '" + scratch + "' > '" + output +
                              "' 2>&1";
  const int result = std::system(command.c_str());
  std::ifstream file(output);
  const std::string said{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(result, 0) << said;
  RecordProperty("readers", said);
}

}  // namespace
}  // namespace shardfs
