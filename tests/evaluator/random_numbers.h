// Random choices and tensors from a seed: the same on every machine.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "evaluator/array.h"

namespace shardfs::evaluator {

class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t Between(std::uint64_t low, std::uint64_t high) { return low + engine_() % (high - low + 1); }
  bool Chance(std::uint64_t percent) { return Between(1, 100) <= percent; }

  template <typename T>
  T OneOf(const std::vector<T>& choices) {
    return choices[Between(0, choices.size() - 1)];
  }

  Array Floats(Dtype dtype, Sizes shape, double low, double high);  // finite, of that range
  Array Int8s(Sizes shape);
  Array Int32s(Sizes shape);
  Array Int64s(Sizes shape);

 private:
  Array Bytes(Dtype dtype, Sizes shape);

  std::mt19937_64 engine_;
};

}  // namespace shardfs::evaluator
