// ThreadBuffer: one buffer per thread, taken when the thread serves its first request and reused from then on, so that
// serving requests allocates nothing in steady state.
//
// Eight threads share one huge page where the machine gives them: the kernel pins a reply's pages one by one, and those
// of one huge page share what it touches; a page for each thread would be cleared whole for an eighth of it, which the
// first reads of a mount would wait for. What ended threads had is used again by later ones and never given back.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <vector>

namespace shardfs {

class ThreadBuffer {
 public:
  // What a thread gets of a huge page; a larger request makes it change to memory of its own.
  static constexpr std::size_t kSliceBytes = std::size_t{256} << 10;

  // `size` bytes at a page boundary, valid until the same thread's next call. Throws bad_alloc.
  static std::span<std::byte> Get(std::size_t size) {
    thread_local ThreadBuffer buffer;
    if (size > buffer.bytes_.size()) buffer.Grow(size);
    return buffer.bytes_.first(size);
  }

  ThreadBuffer(const ThreadBuffer&) = delete;
  ThreadBuffer& operator=(const ThreadBuffer&) = delete;

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  using Memory = std::unique_ptr<std::byte, Free>;

  // The slices that no thread has. It outlives all threads, which end after static objects have.
  struct Slices {
    std::mutex mutex;  // guards the rest
    std::vector<Memory> pages;
    std::vector<std::byte*> free;
  };
  static Slices& AllSlices() {
    static Slices* const slices = new Slices;
    return *slices;
  }

  ThreadBuffer() = default;
  ~ThreadBuffer() { Return(); }

  static std::size_t RoundedUp(std::size_t size) { return (size + kHugePage - 1) / kHugePage * kHugePage; }

  static Memory Allocate(std::size_t size) {
    const std::size_t rounded = RoundedUp(size);
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(kHugePage, rounded)));
    if (memory == nullptr) throw std::bad_alloc();
    ::madvise(memory.get(), rounded, MADV_HUGEPAGE);  // advice: small pages serve as well
    return memory;
  }

  static std::byte* TakeSlice() {
    Slices& slices = AllSlices();
    const std::lock_guard lock(slices.mutex);
    if (slices.free.empty()) {
      Memory page = Allocate(kHugePage);
      slices.free.reserve((slices.pages.size() + 1) * (kHugePage / kSliceBytes));  // so that Return never allocates
      slices.pages.reserve(slices.pages.size() + 1);
      for (std::size_t at = 0; at < kHugePage; at += kSliceBytes) slices.free.push_back(page.get() + at);
      slices.pages.push_back(std::move(page));
    }
    std::byte* const slice = slices.free.back();
    slices.free.pop_back();
    return slice;
  }

  void Grow(std::size_t size) {
    Return();
    if (size <= kSliceBytes) {
      slice_ = TakeSlice();
      bytes_ = {slice_, kSliceBytes};
    } else {
      own_ = Allocate(size);
      bytes_ = {own_.get(), RoundedUp(size)};  // all of it, so that a thread whose requests grow seldom changes
    }
  }

  void Return() {
    bytes_ = {};
    own_.reset();
    if (slice_ == nullptr) return;
    Slices& slices = AllSlices();
    const std::lock_guard lock(slices.mutex);
    slices.free.push_back(slice_);
    slice_ = nullptr;
  }

  std::byte* slice_ = nullptr;  // of a huge page
  Memory own_;
  std::span<std::byte> bytes_;  // either
};

}  // namespace shardfs
