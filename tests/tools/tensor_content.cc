#include "tools/tensor_content.h"

#include <algorithm>
#include <bit>
#include <cstring>

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

std::uint64_t KeyHash(const ContentKey& key) { return Mix(Fnv1a64(key.name) ^ Mix(key.seed)); }

// Turns 64 random bits into elements: (bits & mask) + bias leaves sign and mantissa random and maps the exponent's low
// three bits to eight binades just below 1, without a carry from one element into the next.
struct ElementForm {
  std::uint64_t mask = ~std::uint64_t{0};
  std::uint64_t bias = 0;
};

ElementForm FormOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBF16:
      return {0x83FF83FF83FF83FF, 0x3B803B803B803B80};
    case Dtype::kF16:
      return {0x9FFF9FFF9FFF9FFF, 0x1C001C001C001C00};
    case Dtype::kF32:
      return {0x83FFFFFF83FFFFFF, 0x3B8000003B800000};
    default:
      return {};
  }
}

void FillDense(const ContentKey& key, std::uint64_t offset, std::span<std::byte> destination) {
  const std::uint64_t hash = KeyHash(key);
  const ElementForm form = FormOf(key.dtype);
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
  if (key.size == 0) return {};
  if (key.size <= kWholeStampBytes) return {{0, key.size}};
  const std::uint64_t last = key.size - kStampBytes;
  // Anywhere between the other two; Mix again, as the hash itself begins the dense content.
  const std::uint64_t words = (last - 2 * kStampBytes) / kWordBytes + 1;
  const std::uint64_t inner = kStampBytes + Mix(~KeyHash(key)) % words * kWordBytes;
  return {{0, kStampBytes}, {inner, kStampBytes}, {last, kStampBytes}};
}

void ExpectedBytes(const ContentKey& key, Fill fill, std::uint64_t offset, std::span<std::byte> destination) {
  if (fill == Fill::kDense) return FillDense(key, offset, destination);
  std::memset(destination.data(), 0, destination.size());
  const std::uint64_t end = offset + destination.size();
  for (const StampRange& stamp : StampsOf(key)) {
    const std::uint64_t from = std::max(offset, stamp.offset);
    const std::uint64_t to = std::min(end, stamp.offset + stamp.size);
    if (from < to) FillDense(key, from, destination.subspan(from - offset, to - from));
  }
}

}  // namespace shardfs::tools
