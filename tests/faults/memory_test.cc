// The daemon runs out of memory while it serves: reads may fail, and do not once there is memory again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "faults/fault_mount.h"
#include "sanitizers/sanitized.h"

namespace shardfs {
namespace {

class MemoryFaults : public MountFaults {
 protected:
  // What RLIMIT_DATA counts, in bytes: private writable memory, also what is only reserved.
  static rlim_t DataOf(pid_t pid) { return std::stoull(StatusField(pid, "VmData:")) * 1024; }

  static void LimitData(pid_t pid, rlim_t bytes) {
    const rlimit limit{.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    ASSERT_EQ(::prlimit(pid, RLIMIT_DATA, &limit, nullptr), 0);
  }

  // Many at once, so that the daemon wants more threads, each with its stack and buffers; how many reads failed. Those
  // that did not must be right.
  int ReadByMany(const std::map<std::string, std::string>& expected) const {
    std::atomic<int> wrong{0};
    std::atomic<int> failed{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 16; ++i) {
      readers.emplace_back([&] {
        for (const auto& [path, bytes] : expected) {
          const ReadOutcome outcome = ReadPastTheCache(point_ + "/" + path);
          if (outcome.error != 0) ++failed;
          if (outcome.error != 0 ? outcome.error != ENOMEM : outcome.bytes != bytes) ++wrong;
        }
      });
    }
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong, 0) << Log();
    return failed;
  }
};

TEST_F(MemoryFaults, F6_ADaemonWithoutMemoryLivesOn) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer ends a program that is out of memory";
  const auto expected = ExpectedFiles();
  int failed = 0;
  // Too little for a buffer; for a stack; enough for some stacks and not for all their buffers.
  for (const rlim_t room : {0u, 1u, 3u, 8u, 9u, 10u, 12u, 17u, 20u, 26u}) {
    SCOPED_TRACE(std::to_string(room) + " MiB left");
    Mount();
    const pid_t daemon = Daemons().at(0);
    LimitData(daemon, DataOf(daemon) + (room << 20));
    failed += ReadByMany(expected);
    LimitData(daemon, RLIM_INFINITY);
    EXPECT_EQ(ReadByMany(expected), 0) << "there is memory again";
    EXPECT_TRUE(GaugesReturnToZero(point_));
    EXPECT_LE(Occurrences(Log(), "serving thread"), 20u) << "not one for each request";
    ASSERT_EQ(Daemons(), std::vector<pid_t>{daemon}) << Log();
    Unmount();
    if (HasFailure()) return;
  }
  EXPECT_GT(failed, 0) << "the limit must be felt";
}

}  // namespace
}  // namespace shardfs
