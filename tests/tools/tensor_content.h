// The bytes of a synthetic tensor: a pure function of the seed, the tensor's name and dtype, and the position, so that
// a test can tell what any read must give without having stored anything.
//
// Dense content. 8-byte word w of a tensor (little-endian, w = byte offset / 8) is SplitMix64's output number w for the
// key Mix(FNV1a64(name) ^ Mix(seed)), masked so that every element is a finite, normal float of magnitude 2^-8 to 1
// with random sign and mantissa; F8_E4M3 has fewer binades, and magnitudes from 2^-6 to 4. For other dtypes all bits
// are random. Quantised checkpoints have tensors whose values mean something, told by their names:
// - scales (names ending with "scale", "scale_second" or "scale_inv"): positive, 2^-12 to 2^-4; an I64 one is an F32
//   like that with zeros in its upper half, as deq_scale has.
// - offsets (ending with "offset" or "offset_second"): zero, as in every public checkpoint; with Offsets::kRandom,
//   random of either sign, those of inputs from 1/2 to 128, whose whole parts are int8.
// - The input_scale and input_offset of gate_proj and up_proj are equal, as both have the same input.
//
// Sparse content. The same bytes within the tensor's stamps, zeros elsewhere. A stamp is a short range whose bytes are
// those of the dense content: one at the beginning, one at the end and one in between at a place that depends on name
// and seed. A tensor of at most kWholeStampBytes is all stamp. Stamps lie on 8-byte boundaries of the tensor, except
// that the last one ends where the tensor ends.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "shardfs/tensor/dtype.h"

namespace shardfs::tools {

enum class Fill : std::uint8_t { kDense, kSparse };

enum class Offsets : std::uint8_t { kZero, kRandom };

inline constexpr std::uint64_t kStampBytes = 64;
inline constexpr std::uint64_t kWholeStampBytes = 4096;

// What the content of one tensor depends on.
struct ContentKey {
  std::string_view name;  // the tensor's; must outlive the key
  Dtype dtype = Dtype::kBF16;
  std::uint64_t size = 0;  // bytes of the whole tensor
  std::uint64_t seed = 0;
  Offsets offsets = Offsets::kZero;
};

// Bytes of a tensor, from its beginning.
struct StampRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// The stamps of a sparse tensor, ascending and without overlap. None in an empty tensor and in one of zeros.
std::vector<StampRange> StampsOf(const ContentKey& key);

// Fills `destination` with what the tensor holds from byte `offset`; offset + destination.size() must not exceed
// key.size. Costs time in proportion to the destination.
void ExpectedBytes(const ContentKey& key, Fill fill, std::uint64_t offset, std::span<std::byte> destination);

}  // namespace shardfs::tools
