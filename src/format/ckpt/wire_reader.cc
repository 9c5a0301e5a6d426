#include "format/ckpt/wire_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxVarintBytes = 10;
constexpr std::uint64_t kMaxFieldNumber = (std::uint64_t{1} << 29) - 1;

}  // namespace

Result<std::span<const std::byte>> ByteWindow::At(std::uint64_t offset, std::uint64_t wanted, std::uint64_t end) {
  const bool has = offset >= begin_ && offset - begin_ <= size_ && size_ - (offset - begin_) >= wanted;
  if (!has) {
    size_ = 0;
    const std::uint64_t size = std::min(std::max(wanted, ahead_), source_.size() - offset);
    SHARDFS_RETURN_IF_ERROR(source_.ReadAt(offset, std::span(bytes_).first(size)));
    begin_ = offset;
    size_ = size;
  }
  const std::uint64_t skip = offset - begin_;
  return std::span<const std::byte>(bytes_).subspan(skip, std::min(size_ - skip, end - offset));
}

Result<std::uint64_t> WireReader::Varint() {
  const std::uint64_t left = end_ - at_;
  SHARDFS_ASSIGN_OR_RETURN(const auto bytes, window_.At(at_, std::min(left, kMaxVarintBytes), end_));
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(bytes.size(), kMaxVarintBytes); ++i) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
    if (i < 9) {
      value |= (byte & 0x7F) << (7 * i);
    } else {
      value |= byte << 63;  // what does not fit in 64 bits is dropped, as protobuf does
    }
    if (byte >= 0x80) continue;
    at_ += i + 1;
    return value;
  }
  if (left < kMaxVarintBytes) return Status::Corruption(fmt::format("a number is cut off at byte {}", end_));
  return Status::Corruption(fmt::format("a number of more than {} bytes at byte {}", kMaxVarintBytes, at_));
}

Status WireReader::Skip(std::uint64_t bytes, WireField& field) {
  if (bytes > end_ - at_) {
    return Status::Corruption(fmt::format("field {} has {} bytes from byte {}, past the end of its message at byte {}",
                                          field.number, bytes, at_, end_));
  }
  field.bytes = {at_, bytes};
  at_ += bytes;
  return Status::Ok();
}

Result<WireField> WireReader::Next() {
  const std::uint64_t begin = at_;
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t tag, Varint());
  const std::uint64_t number = tag >> 3;
  const std::uint64_t type = tag & 7;
  if (number == 0 || number > kMaxFieldNumber) {
    return Status::Corruption(fmt::format("field number {} at byte {}", number, begin));
  }
  WireField field;
  field.number = static_cast<std::uint32_t>(number);
  field.type = static_cast<WireType>(type);
  switch (type) {
    case 0: {
      SHARDFS_ASSIGN_OR_RETURN(field.value, Varint());
      return field;
    }
    case 1:
      SHARDFS_RETURN_IF_ERROR(Skip(8, field));
      return field;
    case 2: {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, Varint());
      SHARDFS_RETURN_IF_ERROR(Skip(size, field));
      return field;
    }
    case 5:
      SHARDFS_RETURN_IF_ERROR(Skip(4, field));
      return field;
    default:
      return Status::Corruption(fmt::format(
          "field {} at byte {} is {}", number, begin,
          type <= 4 ? "a group, which no checkpoint has" : fmt::format("of wire type {}, which there is not", type)));
  }
}

Result<std::string> ReadWireText(ByteWindow& window, const FileRange& range) {
  if (range.size == 0) return std::string();
  SHARDFS_ASSIGN_OR_RETURN(const auto bytes, window.At(range.offset, range.size, range.end()));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace shardfs
