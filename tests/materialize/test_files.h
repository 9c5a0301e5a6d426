// Files of a view whose bytes are computed, and that misbehave where a test wants it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "shardfs/view/virtual_file.h"

namespace shardfs {

// What is at `offset` of a file of this seed.
inline std::byte PatternByte(std::uint64_t seed, std::uint64_t offset) {
  std::uint64_t mixed = (offset + 1) * 0x9E3779B97F4A7C15u + seed * 0xD1B54A32D192ED03u;
  mixed ^= mixed >> 29;
  return static_cast<std::byte>(mixed & 0xFF);
}

inline std::string PatternText(std::uint64_t seed, std::uint64_t size) {
  std::string text(size, '\0');
  for (std::uint64_t i = 0; i < size; ++i) text[i] = static_cast<char>(PatternByte(seed, i));
  return text;
}

class PatternFile : public VirtualFile {
 public:
  // Called before each read with its offset; its error becomes the read's.
  using Hook = std::function<Status(std::uint64_t offset)>;

  PatternFile(std::uint64_t seed, std::uint64_t size, Hook hook = nullptr)
      : seed_(seed), size_(size), hook_(std::move(hook)) {}

  FileKind kind() const override { return FileKind::kGenerated; }
  std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    if (hook_) SHARDFS_RETURN_IF_ERROR(hook_(offset));
    for (std::byte& byte : destination) byte = PatternByte(seed_, offset++);
    return Status::Ok();
  }
  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>&) const override {}

 private:
  std::uint64_t seed_;
  std::uint64_t size_;
  Hook hook_;
};

inline std::unique_ptr<const VirtualFile> Pattern(std::uint64_t seed, std::uint64_t size,
                                                  PatternFile::Hook hook = nullptr) {
  return std::make_unique<PatternFile>(seed, size, std::move(hook));
}

}  // namespace shardfs
