// NaN and infinities in a tensor's bytes, counted at memory's speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "shardfs/tensor/dtype.h"

namespace shardfs {

struct SpecialValues {
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;

  SpecialValues& operator+=(const SpecialValues& other) {
    nan += other.nan;
    infinite += other.infinite;
    return *this;
  }
  bool any() const { return nan != 0 || infinite != 0; }
};

// Bytes of one number of a dtype that has NaN: 4 of C64, which has two of them. 0 of a dtype that has none.
std::size_t SpecialValueBytes(Dtype dtype);

// `bytes` are whole numbers of SpecialValueBytes(dtype) bytes each, which is not 0. F8_E4M3 has NaN (0x7F and 0xFF) and
// no infinity, F8_E8M0 has one NaN (0xFF); all others are as IEEE 754 has them.
SpecialValues CountSpecialValues(Dtype dtype, std::span<const std::byte> bytes);

}  // namespace shardfs
