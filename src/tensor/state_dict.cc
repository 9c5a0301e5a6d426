#include "shardfs/tensor/state_dict.h"

namespace shardfs {

std::uint64_t BytesOf(const TensorSpec& spec) {
  std::uint64_t bits = DtypeBits(spec.dtype);
  for (const std::uint64_t size : spec.shape) bits *= size;
  return bits / 8;
}

}  // namespace shardfs
