#include "shardfs/source/fault_guard.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "source/scratch_directory.h"

namespace shardfs {
namespace {

constexpr std::size_t kSize = 1 << 20;

// A file mapped whole and then truncated to nothing: touching any page of it raises SIGBUS.
class TruncatedMapping {
 public:
  TruncatedMapping() {
    const testing::ScratchDirectory directory;  // gone before the fault, which may end the process
    directory.Write("file", std::string(kSize, 'x'));
    const FileDescriptor fd(::open((directory / "file").c_str(), O_RDWR | O_CLOEXEC));
    bytes_ = static_cast<const char*>(::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd.get(), 0));
    if (bytes_ == MAP_FAILED || ::ftruncate(fd.get(), 0) != 0) std::abort();
  }
  ~TruncatedMapping() { ::munmap(const_cast<char*>(bytes_), kSize); }

  const char* bytes() const { return bytes_; }

 private:
  const char* bytes_;
};

TEST(FaultGuardTest, RunsTheBodyThatDoesNotFault) {
  int runs = 0;
  EXPECT_TRUE(WithFaultGuard([&] { ++runs; }));
  EXPECT_EQ(runs, 1);
}

TEST(FaultGuardTest, SurvivesATruncatedMapping) {
  const TruncatedMapping mapping;
  std::vector<char> copy(kSize);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(WithFaultGuard([&] { std::memcpy(copy.data(), mapping.bytes(), kSize); }));
  }
  EXPECT_TRUE(WithFaultGuard([] {}));
}

TEST(FaultGuardTest, AFaultEndsTheInnermostGuardOnly) {
  const TruncatedMapping mapping;
  char byte = 0;
  bool inner = true;
  bool went_on = false;
  const bool outer = WithFaultGuard([&] {
    inner = WithFaultGuard([&] { std::memcpy(&byte, mapping.bytes(), 1); });
    went_on = true;
  });
  EXPECT_TRUE(outer);
  EXPECT_FALSE(inner);
  EXPECT_TRUE(went_on);
  EXPECT_FALSE(WithFaultGuard([&] {
    static_cast<void>(WithFaultGuard([] {}));
    std::memcpy(&byte, mapping.bytes(), 1);
  }));
}

TEST(FaultGuardTest, ThreadsFaultIndependently) {
  const TruncatedMapping mapping;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        char byte = 0;
        if (!WithFaultGuard([&] { std::memcpy(&byte, mapping.bytes() + i * 4096, 1); })) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 8 * 200);
}

TEST(FaultGuardDeathTest, AFaultOutsideOfAGuardStillEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const TruncatedMapping mapping;
        if (!WithFaultGuard([] {})) std::_Exit(3);
        const volatile char* byte = mapping.bytes();
        std::_Exit(*byte);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

TEST(FaultGuardDeathTest, ASignalThatSomebodySendsIsNoFault) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const bool done = WithFaultGuard([] { ::kill(::getpid(), SIGBUS); });
        std::_Exit(done ? 3 : 4);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace shardfs
