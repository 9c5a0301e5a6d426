#include "tensor/transpose.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace shardfs {
namespace {

std::vector<std::byte> RandomBytes(std::size_t size) {
  std::mt19937 random(3);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Sizes around the tiles', at odd addresses and strides.
TEST(Transpose, TilesGiveWhatElementByElementGives) {
  for (const std::uint64_t element : {1u, 2u, 4u, 8u}) {
    for (const std::uint64_t rows : {1u, 7u, 8u, 16u, 31u, 33u, 64u, 100u}) {
      for (const std::uint64_t columns : {1u, 3u, 8u, 15u, 16u, 17u, 40u, 128u}) {
        const std::uint64_t stride = rows * element + 5;
        const auto input = RandomBytes(columns * stride + 1);
        std::vector<std::byte> tiles(rows * columns * element + 1);
        std::vector<std::byte> scalar(tiles.size());
        TransposeTile(input.data() + 1, stride, tiles.data() + 1, rows, columns, element);
        TransposeScalar(input.data() + 1, stride, scalar.data() + 1, rows, columns, columns, element);
        ASSERT_EQ(tiles, scalar) << element << " bytes, " << rows << " x " << columns;
      }
    }
  }
}

TEST(Transpose, AnyRangeOfManyPlanesIsWhatTheRunsGive) {
  GatherPattern pattern;
  pattern.base = 3;
  pattern.run = 2;
  pattern.dims = {{5, 4000, nullptr}, {40, 2, nullptr}, {24, 100, nullptr}};
  ASSERT_TRUE(IsTranspose(pattern));
  const auto input = RandomBytes(3 + 4 * 4000 + 24 * 100 + 100);
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t offset = random() % pattern.size();
    const std::uint64_t count = 1 + random() % (pattern.size() - offset);
    std::vector<std::byte> tiles(count);
    std::vector<std::byte> runs(count);
    GatherTransposed(pattern, input.data(), offset, count, tiles.data());
    ForEachRun(pattern, offset, count, [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
      std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(from), bytes,
                  runs.begin() + static_cast<std::ptrdiff_t>(to));
      return true;
    });
    ASSERT_EQ(tiles, runs) << offset << "+" << count;
  }
}

TEST(Transpose, OtherPatternsAreNotTakenForOne) {
  GatherPattern rows{.source = nullptr, .base = 0, .dims = {{4, 64, nullptr}, {4, 16, nullptr}}, .run = 2};
  EXPECT_FALSE(IsTranspose(rows));  // the next-to-last dim's elements do not follow each other
  rows.dims[0].stride = 2;
  EXPECT_TRUE(IsTranspose(rows));
  rows.run = 6;
  EXPECT_FALSE(IsTranspose(rows));
  rows.run = 2;
  rows.dims.erase(rows.dims.begin());
  EXPECT_FALSE(IsTranspose(rows));
}

}  // namespace
}  // namespace shardfs
