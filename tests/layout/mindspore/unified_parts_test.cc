#include "layout/mindspore/unified_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace shardfs {
namespace {

using ::testing::ElementsAre;

TEST(PackUnifiedParts, IsTheWorkedExample) {
  // p6, p1, p2, p8, p3, p4, p7, p0, p9, p5
  const std::vector<std::uint64_t> sizes = {65536, 8192, 8192, 8192, 4096, 4096, 4096, 300, 300, 12};
  EXPECT_THAT(PackUnifiedParts(sizes, 25754),
              ElementsAre(ElementsAre(0), ElementsAre(1, 4, 7), ElementsAre(2, 5, 8), ElementsAre(3, 6, 9)));
}

TEST(PackUnifiedParts, MakesAsManyPartsAsTheLimitAsksForAndNoEmptyOne) {
  const std::vector<std::uint64_t> sizes = {4, 4, 4};
  EXPECT_EQ(PackUnifiedParts(sizes, 12).size(), 1u);
  EXPECT_EQ(PackUnifiedParts(sizes, 11).size(), 2u);
  EXPECT_THAT(PackUnifiedParts(sizes, 1), ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
  EXPECT_THAT(PackUnifiedParts(std::vector<std::uint64_t>{0, 0}, 1), ElementsAre(ElementsAre(0, 1)));
}

// The definition: each parameter, the largest first, goes to the first of the emptiest parts.
TEST(PackUnifiedParts, IsWhatTheDefinitionGives) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint64_t> sizes(1 + random() % 30);
    for (std::uint64_t& size : sizes) size = random() % 5 * 8;
    const std::uint64_t limit = 1 + random() % 100;
    const std::uint64_t sum = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
    std::vector<std::vector<std::size_t>> expected(
        std::clamp<std::uint64_t>((sum + limit - 1) / limit, 1, sizes.size()));
    std::vector<std::uint64_t> sums(expected.size());
    std::vector<std::size_t> order(sizes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return sizes[a] > sizes[b]; });
    for (const std::size_t i : order) {
      const auto part = static_cast<std::size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
      expected[part].push_back(i);
      sums[part] += sizes[i];
    }
    EXPECT_EQ(PackUnifiedParts(sizes, limit), expected);
  }
}

TEST(PartsOfTask, CoverAllPartsWithoutOverlap) {
  for (std::uint64_t parts = 1; parts < 12; ++parts) {
    for (std::uint64_t tasks = 1; tasks < 12; ++tasks) {
      std::uint64_t next = 0;
      for (std::uint64_t task = 1; task <= tasks; ++task) {
        const auto [begin, end] = PartsOfTask(parts, {task, tasks});
        EXPECT_EQ(begin, next);
        EXPECT_LE(end - begin, parts / tasks + 1);
        next = end;
      }
      EXPECT_EQ(next, parts);
    }
  }
  EXPECT_EQ(PartsOfTask(5, {2, 3}), std::pair(std::uint64_t{2}, std::uint64_t{4}));
}

TEST(ParsePartTask, TakesTheNumberOfATaskAndOfAll) {
  const auto task = ParsePartTask("2/4");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ(task->task, 2u);
  EXPECT_EQ(task->tasks, 4u);
  for (const char* const wrong : {"", "2", "0/4", "5/4", "2/", "/2", "1/2/3", "a/b", "-1/2"}) {
    const auto refused = ParsePartTask(wrong);
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(ParamNameMapJson, HasPythonsForm) {
  EXPECT_EQ(ParamNameMapJson(12, {{"b", "part0.safetensors"}, {"\xc3\xa4", "part1.safetensors"}}),
            "{\n    \"metadata\": {\n        \"total_size\": 12\n    },\n    \"weight_map\": {\n"
            "        \"b\": \"part0.safetensors\",\n        \"\\u00e4\": \"part1.safetensors\"\n    }\n}");
  EXPECT_EQ(ParamNameMapJson(0, {}),
            "{\n    \"metadata\": {\n        \"total_size\": 0\n    },\n    \"weight_map\": {}\n}");
}

}  // namespace
}  // namespace shardfs
