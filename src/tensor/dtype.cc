#include "shardfs/tensor/dtype.h"

#include <array>
#include <cassert>
#include <cstddef>

namespace shardfs {
namespace {

struct DtypeRow {
  std::string_view name;
  std::uint32_t bits;
};

// Indexed by the enumerators' values.
constexpr std::array<DtypeRow, 20> kDtypes = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8},
    {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16}, {"BF16", 16}, {"I32", 32},
    {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},    {"I64", 64}, {"U64", 64},
}};
static_assert(kDtypes.size() == static_cast<std::size_t>(Dtype::kU64) + 1);

const DtypeRow& RowOf(Dtype dtype) {
  assert(static_cast<std::size_t>(dtype) < kDtypes.size());
  return kDtypes[static_cast<std::size_t>(dtype)];
}

}  // namespace

std::uint32_t DtypeBits(Dtype dtype) { return RowOf(dtype).bits; }

std::uint32_t DtypeBytes(Dtype dtype) {
  const std::uint32_t bits = DtypeBits(dtype);
  return bits % 8 == 0 ? bits / 8 : 0;
}

std::string_view DtypeName(Dtype dtype) { return RowOf(dtype).name; }

std::optional<Dtype> DtypeFromName(std::string_view name) {
  for (std::size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i].name == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

bool IsFloat(Dtype dtype) { return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16; }

}  // namespace shardfs
