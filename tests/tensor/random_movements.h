// A tensor twice, as an operation's expression and as values that were computed before, and random movements of both:
// what an operation's property tests are made of.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "shardfs/tensor/read_plan.h"
#include "shardfs/tensor/tensor.h"
#include "tensor/reference_evaluate.h"

namespace shardfs::testing {

struct ExpressionAndValues {
  TensorPtr expression;
  TensorPtr values;  // without operations
};

class RandomMovements : public ::testing::Test {
 protected:
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

  std::string RandomBytes(std::uint64_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }

  // The same random movement of both.
  ExpressionAndValues Move(const ExpressionAndValues& pair) {
    const Shape& shape = pair.values->shape();
    const auto both = [&](auto&& move) {
      return ExpressionAndValues{move(pair.expression).value(), move(pair.values).value()};
    };
    const std::uint64_t axis = Below(shape.size());
    switch (Below(6)) {
      case 0: {
        const std::uint64_t begin = Below(shape[axis]);
        const std::uint64_t end = begin + 1 + Below(shape[axis] - begin);
        return both([&](const TensorPtr& t) { return Tensor::Slice(t, axis, begin, end); });
      }
      case 1: {
        std::vector<std::uint64_t> axes(shape.size());
        std::iota(axes.begin(), axes.end(), 0);
        std::shuffle(axes.begin(), axes.end(), random_);
        return both([&](const TensorPtr& t) { return Tensor::Permute(t, axes); });
      }
      case 2: {
        std::vector<std::uint64_t> rows(1 + Below(shape[axis] + 2));
        for (std::uint64_t& row : rows) row = Below(shape[axis]);
        return both([&](const TensorPtr& t) { return Tensor::RowGather(t, axis, rows); });
      }
      case 3: {
        const Shape other = Refactored(shape);
        return both([&](const TensorPtr& t) { return Tensor::Reshape(t, other); });
      }
      case 4: {
        const std::uint64_t before = Below(2);
        const std::uint64_t after = Below(2);
        return both([&](const TensorPtr& t) { return Tensor::PadZeros(t, axis, before, after); });
      }
      default:
        return both([&](const TensorPtr& t) { return Tensor::Concat({t, t}, axis); });
    }
  }

  // Another shape of as many elements: neighbours merged, sizes split, axes of size 1 put in and taken out.
  Shape Refactored(const Shape& shape) {
    Shape other;
    for (const std::uint64_t size : shape) {
      const std::uint64_t factor = 1 + Below(6);
      if (!other.empty() && Below(3) == 0) {
        other.back() *= size;
      } else if (size % factor == 0 && other.size() < 4) {
        other.push_back(factor);
        other.push_back(size / factor);
      } else {
        other.push_back(size);
      }
    }
    return other;
  }

  // Reads all and some random ranges of the expression's plan.
  void ExpectEqualRanges(const ExpressionAndValues& pair, std::uint64_t run) {
    const std::vector<std::byte> expected = ReferenceEvaluate(*pair.values);
    const auto plan = LowerToPlan(pair.expression);
    ASSERT_TRUE(plan.ok()) << "run " << run << ": " << plan.status();
    ASSERT_EQ(plan->size(), expected.size());
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t offset = i == 0 ? 0 : Below(expected.size());
      const std::uint64_t size = i == 0 ? expected.size() : 1 + Below(expected.size() - offset);
      std::vector<std::byte> actual(size);
      ASSERT_TRUE(plan->ReadAt(offset, actual).ok());
      ASSERT_TRUE(std::equal(actual.begin(), actual.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset)))
          << "run " << run << ", bytes [" << offset << ", +" << size << ") of " << expected.size();
    }
  }

  std::mt19937_64 random_{20};
};

}  // namespace shardfs::testing
