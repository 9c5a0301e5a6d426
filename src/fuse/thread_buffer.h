// ThreadBuffer: one buffer per thread, grown to the largest request that the thread has seen and then reused, so that
// serving requests allocates nothing in steady state. Each is one huge page where the machine gives them (2 MiB a
// thread that has served a READ): the kernel pins a reply's pages one by one, and those of one huge page share what it
// touches.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace shardfs {

class ThreadBuffer {
 public:
  // `size` bytes at a page boundary, valid until the same thread's next call. Throws bad_alloc.
  static std::span<std::byte> Get(std::size_t size) {
    thread_local ThreadBuffer buffer;
    if (size > buffer.capacity_) buffer.Grow(size);
    return {buffer.bytes_.get(), size};
  }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };

  void Grow(std::size_t size) {
    bytes_.reset();
    capacity_ = 0;
    const std::size_t rounded = (size + kHugePage - 1) / kHugePage * kHugePage;
    bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(kHugePage, rounded)));
    if (bytes_ == nullptr) throw std::bad_alloc();
    ::madvise(bytes_.get(), rounded, MADV_HUGEPAGE);  // advice: small pages serve as well
    capacity_ = rounded;
  }

  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t capacity_ = 0;
};

}  // namespace shardfs
