// TensorInfo: where one tensor of a directory of safetensors files lies, while the directory is read.
#pragma once

#include <cstdint>
#include <string>

#include "shardfs/source/byte_source.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"

namespace shardfs {

struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  const ByteSource* source = nullptr;  // owned by the directory
  std::uint64_t offset = 0;            // bytes from the start of the file
  std::uint64_t size = 0;              // bytes
};

}  // namespace shardfs
