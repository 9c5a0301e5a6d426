// Protobuf messages written by hand, as strategies are made of: numbers unpacked or packed, strings, messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shardfs::testing {

class ProtobufText {
 public:
  ProtobufText& Number(std::uint32_t field, std::int64_t value) {
    Varint(field << 3);
    Varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  ProtobufText& Text(std::uint32_t field, std::string_view text) {
    Varint(field << 3 | 2);
    Varint(text.size());
    bytes_ += text;
    return *this;
  }
  ProtobufText& Message(std::uint32_t field, const ProtobufText& message) { return Text(field, message.bytes_); }
  ProtobufText& Packed(std::uint32_t field, const std::vector<std::int64_t>& values) {
    ProtobufText packed;
    for (const std::int64_t value : values) packed.Varint(static_cast<std::uint64_t>(value));
    return Message(field, packed);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// DevMatrix, TensorMap and the like.
inline ProtobufText Dims(const std::vector<std::int64_t>& dims) {
  ProtobufText message;
  for (const std::int64_t dim : dims) message.Number(1, dim);
  return message;
}

struct TextLayout {
  std::vector<std::int64_t> matrix;
  std::vector<std::vector<std::int64_t>> maps;  // one: flat
  std::int64_t step = 0;
  std::int64_t size = 0;
  std::int64_t field = 0;
};

inline ProtobufText LayoutItem(std::string_view name, const TextLayout& layout) {
  ProtobufText layouts;
  layouts.Message(1, Dims(layout.matrix));
  for (const auto& map : layout.maps) layouts.Message(2, Dims(map));
  layouts.Message(3, Dims({})).Message(4, Dims({}));
  layouts.Number(5, layout.field).Number(6, layout.step).Number(7, layout.size);
  return ProtobufText().Text(1, name).Message(2, layouts);
}

inline ProtobufText StrategyItem(std::string_view name, std::uint32_t stage) {
  return ProtobufText().Text(1, name).Message(2, ProtobufText().Number(1, stage).Message(2, Dims({1, 2})));
}

}  // namespace shardfs::testing
