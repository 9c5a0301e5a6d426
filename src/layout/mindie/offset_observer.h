// OffsetObserver: notices weight_offsets that are not zero. weight_sharder negates them, and MindIE's loader negates
// them again (spec/mindie-weight-sharder.md, section 7): harmless for zeros, which is all that public checkpoints have,
// and there are too many to look at when mounting.
//
// Thread-safe: called by every thread that reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shardfs/tensor/tensor.h"
#include "tensor/ops/observe.h"

namespace shardfs {

class OffsetObserver final : public ReadObserver {
 public:
  // `on_notice` may be empty; it is called at most once.
  explicit OffsetObserver(std::function<void(const std::string&)> on_notice)
      : on_notice_(std::move(on_notice)), reads_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

  // `bytes` are of 16-bit floats: all but the sign bit of a zero is zero.
  void Observe(std::uint64_t offset, std::span<const std::byte> bytes) const override {
    bool nonzero = false;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const bool has_sign = (offset + i) % 2 == 1;  // little-endian: the second byte of each element
      const auto bits = static_cast<unsigned>(bytes[i]) & (has_sign ? 0x7fu : 0xffu);
      nonzero = nonzero || bits != 0;
    }
    if (!nonzero) return;
    reads_->fetch_add(1, std::memory_order_relaxed);
    if (said_.exchange(true, std::memory_order_relaxed) || !on_notice_) return;
    on_notice_(
        "a weight_offset that is not zero was read: weight_sharder negates it and MindIE's loader negates it again; "
        "-O fidelity=loader shows what loads right");
  }

  std::shared_ptr<const std::atomic<std::uint64_t>> reads() const { return reads_; }

 private:
  std::function<void(const std::string&)> on_notice_;
  std::shared_ptr<std::atomic<std::uint64_t>> reads_;
  mutable std::atomic<bool> said_{false};
};

}  // namespace shardfs
