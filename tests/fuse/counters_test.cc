#include "fuse/counters.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

namespace shardfs {
namespace {

constexpr std::size_t kThreads = 16;
constexpr std::size_t kCacheLine = 64;

// Runs `body(thread's number)` on threads that are all alive at once.
template <typename Body>
void OnThreads(const Body& body) {
  std::barrier all(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      body(t);
      all.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// What two threads write lies on cache lines of its own for each: from a share's first byte to its last.
TEST(FuseCountersTest, ThreadsWriteNoCacheLineOfOneAnother) {
  FuseCounters counters;
  std::vector<FuseCounters::Share*> shares(kThreads);
  OnThreads([&](std::size_t t) {
    shares[t] = &counters.mine();
    EXPECT_EQ(&counters.mine(), shares[t]) << "a thread keeps its share";
  });
  std::set<std::uintptr_t> lines;
  for (const FuseCounters::Share* const share : shares) {
    const auto begin = reinterpret_cast<std::uintptr_t>(share);
    for (std::uintptr_t at = begin; at < begin + sizeof *share; at += kCacheLine) {
      EXPECT_TRUE(lines.insert(at / kCacheLine).second);
    }
  }
}

TEST(FuseCountersTest, TotalsHaveWhatAllThreadsCounted) {
  FuseCounters counters;
  constexpr std::uint64_t kReads = 5000;
  OnThreads([&](std::size_t t) {
    FuseCounters::Share& mine = counters.mine();
    for (std::uint64_t i = 1; i <= kReads; ++i) {
      FuseCounters::Kind& kind = mine.of(t % 2 == 0 ? FileKind::kTensors : FileKind::kEntries);
      kind.reads.fetch_add(1, std::memory_order_relaxed);
      kind.bytes.fetch_add(i, std::memory_order_relaxed);
      mine.read_latency.Record(1000 * (t + 1));
      mine.open_files.fetch_add(1, std::memory_order_relaxed);
    }
    counters.CountError(ReadErrorCause::kIoError);
  });
  // Another thread than the one that opened them releases them.
  counters.mine().open_files.fetch_sub(kThreads * kReads - 3, std::memory_order_relaxed);

  EXPECT_EQ(counters.reads(), kThreads * kReads);
  EXPECT_EQ(counters.reads(FileKind::kTensors), kThreads / 2 * kReads);
  EXPECT_EQ(counters.read_bytes(FileKind::kEntries), kThreads / 2 * (kReads * (kReads + 1) / 2));
  EXPECT_EQ(counters.read_bytes(), kThreads * (kReads * (kReads + 1) / 2));
  EXPECT_EQ(counters.read_errors(), kThreads);
  EXPECT_EQ(counters.open_files(), 3);
  EXPECT_EQ(counters.reads_in_progress(), 0);
  const LatencyHistogram::Snapshot latency = counters.read_latency();
  EXPECT_EQ(latency.count, kThreads * kReads);
  EXPECT_EQ(latency.max_ns, 1000 * kThreads);
  EXPECT_EQ(latency.sum_ns, 1000 * kReads * (kThreads * (kThreads + 1) / 2));
  EXPECT_EQ(latency.CountUpTo(1000 * kThreads * 2), kThreads * kReads);
}

}  // namespace
}  // namespace shardfs
