#include "tools/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace shardfs::testing {
namespace {

std::atomic<bool> counting{false};
std::atomic<std::uint64_t> count{0};
std::atomic<std::uint64_t> failing_from{0};
std::atomic<bool> failing_all{false};
std::atomic<bool> failed{false};
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> peak{0};

bool MustFail() {
  if (!counting.load(std::memory_order_relaxed)) return false;
  const std::uint64_t number = ++count;
  const std::uint64_t from = failing_from.load(std::memory_order_relaxed);
  if (from == 0 || number < from || (number > from && !failing_all.load(std::memory_order_relaxed))) return false;
  failed = true;
  return true;
}

void* Allocate(std::size_t size) {
  if (MustFail()) return nullptr;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  const std::size_t now = live += ::malloc_usable_size(memory);
  std::size_t most = peak.load(std::memory_order_relaxed);
  while (most < now && !peak.compare_exchange_weak(most, now)) {
  }
  return memory;
}

void* AllocateOrThrow(std::size_t size) {
  void* const memory = Allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void Free(void* memory) {
  if (memory != nullptr) live -= ::malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void StartCounting(std::uint64_t nth, Failing failing) {
  count = 0;
  failing_from = nth;
  failing_all = failing == Failing::kAllFromThen;
  failed = false;
  counting = true;
}

std::uint64_t StopCounting() {
  counting = false;
  return count;
}

bool AnAllocationFailed() { return failed; }
std::size_t LiveBytes() { return live; }
void ResetPeak() { peak = live.load(); }
std::size_t PeakBytes() { return peak; }

}  // namespace shardfs::testing

using shardfs::testing::Allocate;
using shardfs::testing::AllocateOrThrow;
using shardfs::testing::Free;

void* operator new(std::size_t size) { return AllocateOrThrow(size); }
void* operator new[](std::size_t size) { return AllocateOrThrow(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { Free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { Free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { Free(memory); }
