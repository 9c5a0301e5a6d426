#include "fuse/thread_buffer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace shardfs {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::uintptr_t AddressOf(std::span<std::byte> bytes) { return reinterpret_cast<std::uintptr_t>(bytes.data()); }

// The buffers of `threads` threads that are alive at once, each filled with its own number and found so at the end.
std::vector<std::uintptr_t> BuffersOf(std::size_t threads, std::size_t size) {
  std::vector<std::uintptr_t> addresses(threads);
  std::barrier all(static_cast<std::ptrdiff_t>(threads));
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      const std::span<std::byte> bytes = ThreadBuffer::Get(size);
      addresses[t] = AddressOf(bytes);
      std::memset(bytes.data(), static_cast<int>(t + 1), bytes.size());
      all.arrive_and_wait();
      const auto own = static_cast<std::byte>(t + 1);
      EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [own](std::byte byte) { return byte == own; }));
    });
  }
  for (std::thread& thread : running) thread.join();
  return addresses;
}

TEST(ThreadBufferTest, AThreadKeepsItsBuffer) {
  std::thread([] {
    const std::span<std::byte> first = ThreadBuffer::Get(1000);
    EXPECT_EQ(first.size(), 1000u);
    EXPECT_EQ(AddressOf(first) % static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)), 0u);
    EXPECT_EQ(ThreadBuffer::Get(ThreadBuffer::kSliceBytes).data(), first.data());
    EXPECT_EQ(ThreadBuffer::Get(1).data(), first.data());
  }).join();
}

TEST(ThreadBufferTest, LargeRequestsThatGrowStayWithinTheirMemory) {
  std::thread([] {
    const std::span<std::byte> first = ThreadBuffer::Get(ThreadBuffer::kSliceBytes + 1);
    for (std::size_t size = 2 * ThreadBuffer::kSliceBytes; size <= 8 * ThreadBuffer::kSliceBytes; size *= 2) {
      EXPECT_EQ(ThreadBuffer::Get(size).data(), first.data()) << size;
    }
    const std::span<std::byte> small = ThreadBuffer::Get(100);
    EXPECT_EQ(small.size(), 100u);
  }).join();
}

TEST(ThreadBufferTest, ThreadsSideBySideShareHugePagesAndNoByte) {
  constexpr std::size_t kThreads = 20;
  const std::vector<std::uintptr_t> buffers = BuffersOf(kThreads, ThreadBuffer::kSliceBytes);
  std::set<std::uintptr_t> pages;
  for (const std::uintptr_t buffer : buffers) pages.insert(buffer / kHugePage);
  const std::size_t in_a_page = kHugePage / ThreadBuffer::kSliceBytes;
  EXPECT_LE(pages.size(), (kThreads + in_a_page - 1) / in_a_page + 1);  // and one that earlier threads have begun
}

TEST(ThreadBufferTest, LaterThreadsUseWhatEndedOnesHad) {
  const auto sorted = [](std::vector<std::uintptr_t> addresses) {
    std::sort(addresses.begin(), addresses.end());
    return addresses;
  };
  const auto first = sorted(BuffersOf(16, 4096));
  for (int round = 0; round < 5; ++round) EXPECT_EQ(sorted(BuffersOf(16, 4096)), first);
}

TEST(ThreadBufferTest, LargerRequestsHaveMemoryOfTheirOwn) {
  std::thread([] {
    const std::byte* const slice = ThreadBuffer::Get(4096).data();
    const std::span<std::byte> large = ThreadBuffer::Get(3 * kHugePage + 1);
    std::memset(large.data(), 7, large.size());
    EXPECT_NE(large.data(), slice);
    EXPECT_EQ(ThreadBuffer::Get(100).data(), large.data());
  }).join();
}

}  // namespace
}  // namespace shardfs
