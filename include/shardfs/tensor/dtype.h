// Dtype: the element types of the safetensors format.
//
// The enumerators stand in the order of the reference crate's enum, which the writer sorts by (descending), so that
// I64 > F32 > I32 > BF16 > F16 > I8 (spec/mindie-weight-sharder.md, section 4.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace shardfs {

enum class Dtype : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// Bits in one element: 1, 2, 4, 8 bytes for most, 4 and 6 bits for F4 and F6.
std::uint32_t DtypeBits(Dtype dtype);

// Bytes in one element; 0 for the dtypes whose elements are not whole bytes.
std::uint32_t DtypeBytes(Dtype dtype);

// The name in a safetensors header: "BF16", "F8_E4M3".
std::string_view DtypeName(Dtype dtype);
std::optional<Dtype> DtypeFromName(std::string_view name);

// F32, F16 and BF16: the dtypes that shardfs casts among.
bool IsFloat(Dtype dtype);

}  // namespace shardfs
