// WireReader: the fields of a protobuf message that lies in a ByteSource, one after the other, without a copy of any
// field's content: a file of 60 GB is walked by reading the few bytes in front of each tensor.
//
// Library parsers of protobuf copy each content into memory and stop at 2 GiB a message; what a checkpoint needs of the
// format is varints, lengths and skipping, and that is all there is here.
// Thread-safety: none; one reader a thread. Borrows the source.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "shardfs/base/result.h"
#include "shardfs/format/ckpt/ckpt.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

// The few bytes of a source around the place where it is being read.
class ByteWindow {
 public:
  // A place that is not at hand is read with what follows it, `ahead` bytes in all where fewer are wanted.
  ByteWindow(const ByteSource& source, std::uint64_t ahead) : source_(source), ahead_(std::min(ahead, kBytes)) {}

  // Bytes from `offset`, at least `wanted` of them and at most those before `end`, which the source has. `wanted` is at
  // most kBytes. Valid until the next call.
  Result<std::span<const std::byte>> At(std::uint64_t offset, std::uint64_t wanted, std::uint64_t end);

  static constexpr std::uint64_t kBytes = 4096;

 private:
  const ByteSource& source_;
  const std::uint64_t ahead_;
  std::array<std::byte, kBytes> bytes_;
  std::uint64_t begin_ = 0;  // of what bytes_ holds
  std::uint64_t size_ = 0;
};

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  std::uint32_t number = 0;
  WireType type = WireType::kVarint;
  std::uint64_t value = 0;  // kVarint
  FileRange bytes;          // kBytes: the content
};

class WireReader {
 public:
  // Reads the message that lies in `range`.
  WireReader(ByteWindow& window, FileRange range) : window_(window), at_(range.offset), end_(range.end()) {}

  bool AtEnd() const { return at_ == end_; }
  std::uint64_t position() const { return at_; }  // in the source

  // The next field; not AtEnd(). kCorruption, without context, for a group, field 0, a wire type that there is not, a
  // varint of more than 10 bytes, and a field that goes past the end of the message.
  Result<WireField> Next();

  // A varint of at most 10 bytes, which may be longer than its value needs.
  Result<std::uint64_t> Varint();

 private:
  Status Skip(std::uint64_t bytes, WireField& field);

  ByteWindow& window_;
  std::uint64_t at_;
  std::uint64_t end_;
};

// The bytes of a range, at most ByteWindow::kBytes, as text.
Result<std::string> ReadWireText(ByteWindow& window, const FileRange& range);

}  // namespace shardfs
