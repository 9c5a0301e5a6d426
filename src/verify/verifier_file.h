// Reading the two sides of a comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

// An open file of the directory. Thread-safety: ReadAt from any threads.
class FoundFile {
 public:
  // `size` is what the listing said; a file that is another by now is an error.
  static Result<FoundFile> Open(int root, const std::string& directory, const std::string& path, std::uint64_t size);

  // Fills all of `destination`, or fails naming the file.
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const;

  std::uint64_t size() const { return size_; }

 private:
  FoundFile(FileDescriptor fd, std::string name, std::uint64_t size)
      : fd_(std::move(fd)), name_(std::move(name)), size_(size) {}

  FileDescriptor fd_;
  std::string name_;  // for messages
  std::uint64_t size_;
};

// A view's file and its counterpart.
struct FilePair {
  const std::string& path;
  const VirtualFile& file;
  const FoundFile& found;

  Status ReadExpected(std::uint64_t offset, std::span<std::byte> destination) const;
  Result<std::string> ExpectedText(std::uint64_t begin, std::uint64_t end) const;
  Result<std::string> FoundText(std::uint64_t begin, std::uint64_t end) const;
};

// Room for a piece of either side, one a thread.
class ComparisonBuffers {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

  std::span<std::byte> expected(std::uint64_t size) { return {bytes_.get(), static_cast<std::size_t>(size)}; }
  std::span<std::byte> found(std::uint64_t size) {
    return {bytes_.get() + kPieceBytes, static_cast<std::size_t>(size)};
  }

 private:
  std::unique_ptr<std::byte[]> bytes_ = std::make_unique_for_overwrite<std::byte[]>(2 * kPieceBytes);
};

// The first byte of [begin, end) that is not the same on both sides. Adds the bytes read to `compared`.
Result<std::optional<std::uint64_t>> FirstDifference(const FilePair& pair, std::uint64_t begin, std::uint64_t end,
                                                     ComparisonBuffers& buffers, const std::stop_token& stop,
                                                     std::uint64_t& compared);

}  // namespace shardfs
