// CountingSource: a source of zeros that counts how often it is asked.
#pragma once

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "shardfs/source/byte_source.h"

namespace shardfs::testing {

class CountingSource final : public ByteSource {
 public:
  CountingSource(std::uint64_t size, bool mapped) : bytes_(size), mapped_(mapped) {}

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    Count();
    if (offset > bytes_.size() || destination.size() > bytes_.size() - offset) {
      return Status::InvalidArgument("counting: read outside the source");
    }
    std::memcpy(destination.data(), bytes_.data() + offset, destination.size());
    return Status::Ok();
  }
  std::span<const std::byte> Mapped() const override {
    Count();
    return mapped_ ? std::span<const std::byte>(bytes_) : std::span<const std::byte>();
  }
  Status CheckUnchanged() const override {
    Count();
    return Status::Ok();
  }
  std::uint64_t size() const override { return bytes_.size(); }
  const std::string& name() const override { return name_; }

  std::uint64_t accesses() const { return accesses_.load(); }  // ReadAt, Mapped and CheckUnchanged together

 private:
  void Count() const { accesses_.fetch_add(1, std::memory_order_relaxed); }

  std::vector<std::byte> bytes_;
  std::string name_ = "counting";
  bool mapped_;
  mutable std::atomic<std::uint64_t> accesses_{0};
};

}  // namespace shardfs::testing
