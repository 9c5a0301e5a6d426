#include "verify/verifier_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "shardfs/tensor/cast_kernels.h"

namespace shardfs {
namespace {

template <typename T>
T Load(std::span<const std::byte> element) {
  T value{};
  std::memcpy(&value, element.data(), std::min(sizeof(T), element.size()));
  return value;
}

// The shortest digits that give the same value back, and always recognisable as a float.
template <typename T>
std::string FormatFloat(T value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

float Widen(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

std::string FormatBits(std::span<const std::byte> element) {
  std::string text = "0x";
  for (std::size_t i = element.size(); i > 0; --i) text += fmt::format("{:02x}", static_cast<unsigned>(element[i - 1]));
  return text;
}

// Whether the text does not tell apart what has other bits.
bool LookEqual(const std::string& a, const std::string& b) {
  const auto magnitude = [](const std::string& text) { return text.starts_with('-') ? text.substr(1) : text; };
  const bool zeros = magnitude(a) == "0.0" && magnitude(b) == "0.0";
  return a == b || zeros || (magnitude(a) == "nan" && magnitude(b) == "nan");
}

}  // namespace

std::string FormatElement(Dtype dtype, std::span<const std::byte> element) {
  switch (dtype) {
    case Dtype::kBool:
    case Dtype::kU8:
      return fmt::format("{}", Load<std::uint8_t>(element));
    case Dtype::kI8:
      return fmt::format("{}", Load<std::int8_t>(element));
    case Dtype::kI16:
      return fmt::format("{}", Load<std::int16_t>(element));
    case Dtype::kU16:
      return fmt::format("{}", Load<std::uint16_t>(element));
    case Dtype::kI32:
      return fmt::format("{}", Load<std::int32_t>(element));
    case Dtype::kU32:
      return fmt::format("{}", Load<std::uint32_t>(element));
    case Dtype::kI64:
      return fmt::format("{}", Load<std::int64_t>(element));
    case Dtype::kU64:
      return fmt::format("{}", Load<std::uint64_t>(element));
    case Dtype::kF16:
      return FormatFloat(Widen(F16ToF32(Load<std::uint16_t>(element))));
    case Dtype::kBF16:
      return FormatFloat(Widen(BF16ToF32(Load<std::uint16_t>(element))));
    case Dtype::kF32:
      return FormatFloat(Load<float>(element));
    case Dtype::kF64:
      return FormatFloat(Load<double>(element));
    default:
      return FormatBits(element);
  }
}

std::pair<std::string, std::string> FormatElements(Dtype dtype, std::span<const std::byte> expected,
                                                   std::span<const std::byte> actual) {
  std::pair<std::string, std::string> texts{FormatElement(dtype, expected), FormatElement(dtype, actual)};
  if (LookEqual(texts.first, texts.second)) {
    texts.first += fmt::format(" ({})", FormatBits(expected));
    texts.second += fmt::format(" ({})", FormatBits(actual));
  }
  return texts;
}

Shape IndexOf(const Shape& shape, std::uint64_t n) {
  Shape index(shape.size());
  for (std::size_t axis = shape.size(); axis > 0; --axis) {
    index[axis - 1] = n % shape[axis - 1];
    n /= shape[axis - 1];
  }
  return index;
}

}  // namespace shardfs
