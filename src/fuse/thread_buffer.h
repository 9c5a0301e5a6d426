// ThreadBuffer: one buffer per thread, grown to the largest request that the thread has seen and then reused, so that
// serving requests allocates nothing in steady state. At most threads x largest request bytes (1 MiB with pages of
// 4 KiB, 16 MiB with 64 KiB) are held.
#pragma once

#include <algorithm>
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
  static constexpr std::size_t kAlignment = 4096;
  static constexpr std::size_t kMinimum = 128 * 1024;  // the kernel's usual read-ahead window

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };

  void Grow(std::size_t size) {
    bytes_.reset();
    capacity_ = 0;
    const std::size_t rounded = (std::max(size, kMinimum) + kAlignment - 1) / kAlignment * kAlignment;
    bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
    if (bytes_ == nullptr) throw std::bad_alloc();
    capacity_ = rounded;
  }

  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t capacity_ = 0;
};

}  // namespace shardfs
