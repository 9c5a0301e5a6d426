#include "layout/mindspore/redundancy_classes.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

bool Finds(const ParameterLayout& layout) {
  EXPECT_TRUE(CheckParameterLayout(layout).ok());
  const auto grid = SliceGrid::Create(layout, Placement::kTraining);
  EXPECT_TRUE(grid.ok()) << grid.status();
  return grid.ok() && FindsRedundancyClasses(layout, *grid);
}

TEST(FindsRedundancyClasses, OfFlatMaps) {
  EXPECT_TRUE(Finds({{2, 4}, {{-1}, {0}}}));
  EXPECT_TRUE(Finds({{2, 4}, {{1}, {0}}}));
  EXPECT_TRUE(Finds({{2, 4}, {{-1}, {-1}}}));
  EXPECT_TRUE(Finds({{1}, {{-1}}}));
}

TEST(FindsRedundancyClasses, OfShardsWhoseReplicasAreOutermost) {
  EXPECT_TRUE(Finds({{2, 4}, {{-1}, {0}}, false, 4, -1}));
  EXPECT_TRUE(Finds({{2, 4}, {{-1}, {-1}}, false, 1, -1}));
  EXPECT_TRUE(Finds({{4, 2}, {{0}, {-1}}, false, 2, 2}));
  // A size that is given is right wherever the replicas are; -1 is counted from the step.
  EXPECT_TRUE(Finds({{2, 4}, {{1}, {-1}}, false, 1, 4}));
  EXPECT_FALSE(Finds({{2, 4}, {{1}, {-1}}, false, 1, -1}));
}

TEST(FindsRedundancyClasses, LooksAtTheFirstAxisOfANestedMapAlone) {
  EXPECT_TRUE(Finds({{2, 4}, {{1, 0}, {-1}}, true}));
  EXPECT_TRUE(Finds({{2, 4}, {{0}, {-1}}, true}));
  EXPECT_FALSE(Finds({{2, 4}, {{1}, {0}}, true}));
  EXPECT_FALSE(Finds({{2, 4}, {{-1}, {0}}, true}));
}

}  // namespace
}  // namespace shardfs
