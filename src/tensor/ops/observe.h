// ops::Observe: a tensor whose bytes somebody wants to see when they are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "shardfs/tensor/tensor.h"

namespace shardfs {

// Sees the bytes of a tensor as they are read; called from any number of threads at once, so it must be thread-safe.
class ReadObserver {
 public:
  virtual ~ReadObserver() = default;
  // `bytes` are those of the tensor from byte `offset`; elements may be cut at either end.
  virtual void Observe(std::uint64_t offset, std::span<const std::byte> bytes) const = 0;
};

namespace ops {

// The input, whose bytes `observer` sees whenever they are read.
Result<TensorPtr> Observe(TensorPtr input, std::shared_ptr<const ReadObserver> observer);

}  // namespace ops
}  // namespace shardfs
