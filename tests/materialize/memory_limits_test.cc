#include "materialize/memory_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A kernel's files, as a test writes them.
class MemoryLimitsTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& content) { WriteFile(root_ / path, content); }
  std::vector<MemoryLimit> Read() { return ReadMemoryLimits({root_ / "proc", root_ / "cgroup"}); }

  static auto Limit(const std::string& name, std::uint64_t available) {
    return AllOf(Field(&MemoryLimit::name, HasSubstr(name)), Field(&MemoryLimit::available, available));
  }

  TemporaryDirectory root_;
};

TEST_F(MemoryLimitsTest, NoFilesNoLimits) { EXPECT_THAT(Read(), IsEmpty()); }

TEST_F(MemoryLimitsTest, MachineInUnitsOf1024) {
  Put("proc/meminfo", "MemTotal:       2000 kB\nMemFree:         500 kB\nMemAvailable:   1000 kB\n");
  EXPECT_THAT(Read(), ElementsAre(Limit("MemAvailable", 1024000)));
}

TEST_F(MemoryLimitsTest, Version2WithAncestors) {
  Put("proc/self/cgroup", "0::/pods/model\n");
  Put("cgroup/pods/model/memory.max", "max\n");
  Put("cgroup/pods/model/memory.current", "100\n");
  Put("cgroup/pods/memory.max", "1000\n");
  Put("cgroup/pods/memory.current", "700\n");
  EXPECT_THAT(Read(), ElementsAre(Limit("/pods", 300)));
}

TEST_F(MemoryLimitsTest, PageCacheCountsAsAvailable) {
  Put("proc/self/cgroup", "0::/\n");
  Put("cgroup/memory.max", "1000\n");
  Put("cgroup/memory.current", "900\n");
  Put("cgroup/memory.stat", "anon 100\nactive_file 300\ninactive_file 200\n");
  EXPECT_THAT(Read(), ElementsAre(Limit("control group", 600)));
}

TEST_F(MemoryLimitsTest, UsageAboveTheLimitLeavesNothing) {
  Put("proc/self/cgroup", "0::/\n");
  Put("cgroup/memory.max", "1000\n");
  Put("cgroup/memory.current", "1200\n");
  EXPECT_THAT(Read(), ElementsAre(Limit("control group", 0)));
}

TEST_F(MemoryLimitsTest, Version1) {
  Put("proc/self/cgroup", "9:cpu:/job\n4:memory:/job\n");
  Put("cgroup/memory/job/memory.limit_in_bytes", "5000\n");
  Put("cgroup/memory/job/memory.usage_in_bytes", "4000\n");
  Put("cgroup/memory/job/memory.stat", "total_inactive_file 500\ninactive_file 1\n");
  EXPECT_THAT(Read(), ElementsAre(Limit("memory/job", 1500)));
}

TEST_F(MemoryLimitsTest, InAContainerTheGroupIsAtTheRoot) {
  Put("proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
  Put("cgroup/memory.max", "1000\n");
  Put("cgroup/memory.current", "250\n");
  EXPECT_THAT(Read(), ElementsAre(Limit("control group", 750)));
}

TEST_F(MemoryLimitsTest, LinesThatAreNoGroupsAreSkipped) {
  Put("proc/self/cgroup", "\nnonsense\n0:\n0::\n1:memory\n");
  Put("proc/meminfo", "MemAvailable: lots kB\n");
  EXPECT_THAT(Read(), IsEmpty());
}

}  // namespace
}  // namespace shardfs
