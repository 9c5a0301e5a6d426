#include "tools/tensor_content.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace shardfs::tools {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

constexpr std::uint64_t kWordBytes = 8;
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // SplitMix64's increment

// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::uint64_t Fnv1a64(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

// gate_proj and up_proj have one input between them, and so one scale and offset of it.
std::uint64_t NameHash(std::string_view name) {
  constexpr std::string_view kUp = "up_proj.input_";
  const std::size_t at = name.rfind(kUp);
  if (at == std::string_view::npos) return Fnv1a64(name);
  return Fnv1a64(std::string(name).replace(at, kUp.size(), "gate_proj.input_"));
}

std::uint64_t KeyHash(const ContentKey& key) { return Mix(NameHash(key.name) ^ Mix(key.seed)); }

enum class Meaning { kValue, kScale, kOffset, kInputOffset };

Meaning MeaningOf(std::string_view name) {
  if (name.ends_with("scale") || name.ends_with("scale_second") || name.ends_with("scale_inv")) {
    return Meaning::kScale;
  }
  if (name.ends_with("input_offset")) return Meaning::kInputOffset;
  if (name.ends_with("offset") || name.ends_with("offset_second")) return Meaning::kOffset;
  return Meaning::kValue;
}

// Turns 64 random bits into elements: (bits & mask) + bias leaves the mantissa random, and the sign where it may be
// negative, and maps the exponent's low three bits to eight binades, without a carry from one element into the next.
struct ElementForm {
  std::uint64_t mask = ~std::uint64_t{0};
  std::uint64_t bias = 0;
};

// The form of eight binades, of which the first begins at 2^`exponent`.
ElementForm BinadesFrom(int exponent, bool negative_too, Dtype dtype) {
  const bool wide = dtype == Dtype::kF32 || dtype == Dtype::kI64;
  const bool fp8 = dtype == Dtype::kF8E4M3;
  const int width = wide ? 32 : fp8 ? 8 : 16;
  const int mantissa_bits = wide ? 23 : fp8 ? 3 : dtype == Dtype::kF16 ? 10 : 7;
  const int exponent_bias = fp8 ? 7 : dtype == Dtype::kF16 ? 15 : 127;
  ElementForm element;
  element.mask = (std::uint64_t{1} << (mantissa_bits + 3)) - 1;
  if (negative_too) element.mask |= std::uint64_t{1} << (width - 1);
  element.bias = static_cast<std::uint64_t>(exponent + exponent_bias) << mantissa_bits;
  ElementForm form = element;
  if (dtype == Dtype::kI64) return form;  // an F32 widened with zeros
  for (int shift = width; shift < 64; shift += width) {
    form.mask |= element.mask << shift;
    form.bias |= element.bias << shift;
  }
  return form;
}

ElementForm FormOf(const ContentKey& key) {
  const bool is_float = key.dtype == Dtype::kBF16 || key.dtype == Dtype::kF16 || key.dtype == Dtype::kF32;
  const Meaning meaning = MeaningOf(key.name);
  if (meaning == Meaning::kScale && (is_float || key.dtype == Dtype::kI64)) {
    return BinadesFrom(-12, /*negative_too=*/false, key.dtype);
  }
  if (key.dtype == Dtype::kF8E4M3) return BinadesFrom(-6, /*negative_too=*/true, key.dtype);
  if (!is_float) return {};
  return BinadesFrom(meaning == Meaning::kInputOffset ? -1 : -8, /*negative_too=*/true, key.dtype);
}

bool IsZero(const ContentKey& key) {
  const Meaning meaning = MeaningOf(key.name);
  return key.offsets == Offsets::kZero && (meaning == Meaning::kOffset || meaning == Meaning::kInputOffset);
}

void FillDense(const ContentKey& key, std::uint64_t offset, std::span<std::byte> destination) {
  const std::uint64_t hash = KeyHash(key);
  const ElementForm form = FormOf(key);
  while (!destination.empty()) {
    const std::uint64_t index = offset / kWordBytes;
    const std::uint64_t skip = offset % kWordBytes;
    const std::uint64_t word = (Mix(hash + (index + 1) * kGolden) & form.mask) + form.bias;
    const std::size_t count = std::min<std::size_t>(kWordBytes - skip, destination.size());
    std::memcpy(destination.data(), reinterpret_cast<const std::byte*>(&word) + skip, count);
    destination = destination.subspan(count);
    offset += count;
  }
}

}  // namespace

std::vector<StampRange> StampsOf(const ContentKey& key) {
  if (key.size == 0 || IsZero(key)) return {};
  if (key.size <= kWholeStampBytes) return {{0, key.size}};
  const std::uint64_t last = key.size - kStampBytes;
  // Anywhere between the other two; Mix again, as the hash itself begins the dense content.
  const std::uint64_t words = (last - 2 * kStampBytes) / kWordBytes + 1;
  const std::uint64_t inner = kStampBytes + Mix(~KeyHash(key)) % words * kWordBytes;
  return {{0, kStampBytes}, {inner, kStampBytes}, {last, kStampBytes}};
}

void ExpectedBytes(const ContentKey& key, Fill fill, std::uint64_t offset, std::span<std::byte> destination) {
  if (destination.empty()) return;
  if (fill == Fill::kDense && !IsZero(key)) return FillDense(key, offset, destination);
  std::memset(destination.data(), 0, destination.size());
  const std::uint64_t end = offset + destination.size();
  for (const StampRange& stamp : StampsOf(key)) {
    const std::uint64_t from = std::max(offset, stamp.offset);
    const std::uint64_t to = std::min(end, stamp.offset + stamp.size);
    if (from < to) FillDense(key, from, destination.subspan(from - offset, to - from));
  }
}

}  // namespace shardfs::tools
