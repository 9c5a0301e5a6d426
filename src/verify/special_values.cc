// A number is NaN or infinite exactly where all bits of its exponent are set (F8_E4M3: and of its mantissa). All lanes
// of a 64-bit word are asked at once: the word masked to these bits, plus one at the lowest of them, carries into the
// lane's sign bit exactly where all are set. 64 bytes take one branch; only where it is taken are numbers looked at.
#include "verify/special_values.h"

#include <cstring>

namespace shardfs {
namespace {

// The bits of one number, and of all lanes of a word.
struct Pattern {
  std::size_t bytes = 0;
  std::uint64_t exponent = 0;  // the bits that are all set in a NaN or infinity
  std::uint64_t mantissa = 0;  // the bits of which a NaN has one set; 0 where all are NaN
  std::uint64_t sign = 0;      // the bit above `exponent`
  bool needs_sign = false;     // F8_E8M0, which has no sign: that bit must be set too
};

Pattern PatternOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF8E5M2:
      return {1, 0x7C, 0x03, 0x80};
    case Dtype::kF8E4M3:
      return {1, 0x7F, 0, 0x80};
    case Dtype::kF8E8M0:
      return {1, 0x7F, 0, 0x80, true};
    case Dtype::kF16:
      return {2, 0x7C00, 0x03FF, 0x8000};
    case Dtype::kBF16:
      return {2, 0x7F80, 0x007F, 0x8000};
    case Dtype::kF32:
    case Dtype::kC64:
      return {4, 0x7F800000, 0x007FFFFF, 0x80000000};
    case Dtype::kF64:
      return {8, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF, 0x8000000000000000};
    default:
      return {};
  }
}

// The same bits in each lane of a word.
std::uint64_t InAllLanes(std::uint64_t bits, std::size_t lane_bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 8; i += lane_bytes) word |= bits << (8 * i);
  return word;
}

SpecialValues CountOneByOne(const Pattern& pattern, std::span<const std::byte> bytes) {
  SpecialValues counted;
  for (std::size_t i = 0; i < bytes.size(); i += pattern.bytes) {
    std::uint64_t bits = 0;  // of a little-endian machine, which is all that shardfs is built for
    std::memcpy(&bits, bytes.data() + i, pattern.bytes);
    if ((bits & pattern.exponent) != pattern.exponent) continue;
    if (pattern.needs_sign && (bits & pattern.sign) == 0) continue;
    if (pattern.mantissa == 0 || (bits & pattern.mantissa) != 0) {
      ++counted.nan;
    } else {
      ++counted.infinite;
    }
  }
  return counted;
}

}  // namespace

std::size_t SpecialValueBytes(Dtype dtype) { return PatternOf(dtype).bytes; }

SpecialValues CountSpecialValues(Dtype dtype, std::span<const std::byte> bytes) {
  constexpr std::size_t kBlockBytes = 64;
  const Pattern pattern = PatternOf(dtype);
  const std::uint64_t mask = InAllLanes(pattern.exponent, pattern.bytes);
  const std::uint64_t one = InAllLanes(pattern.exponent & (~pattern.exponent + 1), pattern.bytes);
  const std::uint64_t sign = InAllLanes(pattern.sign, pattern.bytes);
  SpecialValues counted;
  std::size_t at = 0;
  for (; bytes.size() - at >= kBlockBytes; at += kBlockBytes) {
    std::uint64_t words[kBlockBytes / 8];
    std::memcpy(words, bytes.data() + at, kBlockBytes);
    std::uint64_t found = 0;
    for (const std::uint64_t word : words) found |= (word & mask) + one;
    if ((found & sign) == 0) continue;
    counted += CountOneByOne(pattern, bytes.subspan(at, kBlockBytes));
  }
  counted += CountOneByOne(pattern, bytes.subspan(at));
  return counted;
}

}  // namespace shardfs
