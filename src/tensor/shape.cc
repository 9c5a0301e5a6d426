#include "shardfs/tensor/shape.h"

#include "shardfs/base/checked_math.h"

namespace shardfs {

Result<std::uint64_t> ElementCount(const Shape& shape) {
  std::uint64_t product = 1;  // of the axes that are not empty
  bool empty = false;
  for (const std::uint64_t size : shape) {
    if (size == 0) {
      empty = true;
      continue;
    }
    const auto next = CheckedMul(product, size);
    if (!next) {
      return Status::Corruption("the number of elements of shape " + ShapeToString(shape) + " does not fit in 64 bits");
    }
    product = *next;
  }
  return empty ? 0 : product;
}

std::string ShapeToString(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  text += "]";
  return text;
}

}  // namespace shardfs
