#include "bench/statistics.h"

#include <gtest/gtest.h>

namespace shardfs::bench {
namespace {

TEST(Statistics, MedianIsTheMiddleOrTheMeanOfTheMiddleTwo) {
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({4, 1, 100, 2}), 3);
}

TEST(Statistics, RatiosAreTakenWithinARound) {
  // The machine was twice as fast in the second round: ours is 10 % ahead in both.
  EXPECT_DOUBLE_EQ(MedianRatio({1.1, 2.2, 1.1}, {1, 2, 1}), 1.1);
  EXPECT_DOUBLE_EQ(MedianRatio({1, 6, 2}, {1, 2, 1}), 2);
}

TEST(Statistics, TheRangeOfRatiosIsThatOfTheRounds) {
  EXPECT_EQ(RatioRange({2}, {4}), std::pair(0.5, 0.5));
  EXPECT_EQ(RatioRange({3, 1, 8}, {2, 4, 8}), std::pair(0.25, 1.5));
}

TEST(Statistics, VariantsTakeTurnsAndEverySecondRoundIsReversed) {
  std::string order;
  const auto variant = [&order](char name) {
    return [&order, name]() -> Result<double> {
      order += name;
      return static_cast<double>(order.size());
    };
  };
  const auto values = Interleave(3, {variant('a'), variant('b'), variant('c')});
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(order, "abccbaabc");
  EXPECT_EQ((*values)[0], (std::vector<double>{1, 6, 7}));
  EXPECT_EQ((*values)[2], (std::vector<double>{3, 4, 9}));
}

TEST(Statistics, AFailedMeasurementEndsTheRun) {
  int runs = 0;
  const auto values = Interleave(5, {[&runs]() -> Result<double> {
                                   if (++runs == 2) return Status::IoError("broken");
                                   return 1.0;
                                 }});
  EXPECT_EQ(values.status().message(), "broken");
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace shardfs::bench
