// The types of a .ckpt's tensors, and the limits that its reader and its writer share. (spec/mindspore-ckpt.md,
// section 2)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "shardfs/tensor/dtype.h"

namespace shardfs {

struct CkptType {
  std::string_view name;
  Dtype dtype;
  bool is_int4 = false;
};

inline constexpr std::array<CkptType, 14> kCkptTypes = {{
    {"Bool", Dtype::kBool},
    {"Int8", Dtype::kI8},
    {"UInt8", Dtype::kU8},
    {"Int16", Dtype::kI16},
    {"UInt16", Dtype::kU16},
    {"Int32", Dtype::kI32},
    {"UInt32", Dtype::kU32},
    {"Int64", Dtype::kI64},
    {"UInt64", Dtype::kU64},
    {"Float16", Dtype::kF16},
    {"BFloat16", Dtype::kBF16},
    {"Float32", Dtype::kF32},
    {"Float64", Dtype::kF64},
    {"Int4", Dtype::kI8, true},
}};
inline constexpr std::string_view kCkptStringType = "str";

// The fields of the messages.
inline constexpr std::uint32_t kCkptValueField = 1;    // of Checkpoint
inline constexpr std::uint32_t kCkptTagField = 1;      // of Value
inline constexpr std::uint32_t kCkptTensorField = 2;   // of Value
inline constexpr std::uint32_t kCkptMapField = 3;      // of Value
inline constexpr std::uint32_t kCkptDimsField = 1;     // of TensorProto
inline constexpr std::uint32_t kCkptTypeField = 2;     // of TensorProto
inline constexpr std::uint32_t kCkptContentField = 3;  // of TensorProto

inline constexpr std::uint64_t kMaxCkptEntries = std::uint64_t{1} << 21;        // of one file
inline constexpr std::uint64_t kMaxCkptChunkBytes = std::uint64_t{2000} << 20;  // an entry stays below 2 GiB
inline constexpr std::uint64_t kMaxCkptDim = (std::uint64_t{1} << 31) - 1;

}  // namespace shardfs
