#include "shardfs/tensor/shape.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(ShapeTest, ElementCount) {
  EXPECT_EQ(*ElementCount({}), 1u);
  EXPECT_EQ(*ElementCount({7}), 7u);
  EXPECT_EQ(*ElementCount({2, 3, 4}), 24u);
  EXPECT_EQ(*ElementCount({2, 0, 4}), 0u);
}

TEST(ShapeTest, ElementCountRefusesAProductThatWraps) {
  const std::uint64_t big = std::uint64_t{1} << 32;
  EXPECT_EQ(ElementCount({big, big}).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(ElementCount({0, big, big}).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(ElementCount({big, big, 0}).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(*ElementCount({big, big / 2}), std::uint64_t{1} << 63);
}

TEST(ShapeTest, ToString) {
  EXPECT_EQ(ShapeToString({}), "[]");
  EXPECT_EQ(ShapeToString({2, 3}), "[2, 3]");
}

}  // namespace
}  // namespace shardfs
