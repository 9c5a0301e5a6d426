// MemorySource: a ByteSource over bytes in memory, mapped or not, for tests that need no file.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "shardfs/source/byte_source.h"

namespace shardfs::testing {

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::vector<std::byte> bytes, bool mapped) : bytes_(std::move(bytes)), mapped_(mapped) {}

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    if (failing_) return Status::IoError("memory: made to fail");
    if (offset > bytes_.size() || destination.size() > bytes_.size() - offset) {
      return Status::InvalidArgument("memory: read outside the source");
    }
    if (!destination.empty()) std::memcpy(destination.data(), bytes_.data() + offset, destination.size());
    return Status::Ok();
  }
  std::span<const std::byte> Mapped() const override {
    return mapped_ ? std::span<const std::byte>(bytes_) : std::span<const std::byte>();
  }
  Status CheckUnchanged() const override {
    return failing_ ? Status::SourceChanged("memory: made to fail") : Status::Ok();
  }
  std::uint64_t size() const override { return bytes_.size(); }
  const std::string& name() const override { return name_; }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  void set_failing(bool failing) { failing_ = failing; }

 private:
  std::vector<std::byte> bytes_;
  std::string name_ = "memory";
  bool mapped_;
  bool failing_ = false;
};

}  // namespace shardfs::testing
