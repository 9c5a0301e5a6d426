#include "checkpoint/defect_list.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(DefectListTest, EmptyIsOk) { EXPECT_TRUE(DefectList().ToStatus().ok()); }

TEST(DefectListTest, ListsTenAndCountsTheRest) {
  DefectList defects;
  for (int i = 1; i <= 10; ++i) defects.Add(std::to_string(i));
  EXPECT_EQ(defects.text(), "1; 2; 3; 4; 5; 6; 7; 8; 9; 10");
  defects.Add("11");
  defects.Add("12");
  EXPECT_EQ(defects.count(), 12u);
  EXPECT_EQ(defects.ToStatus().code(), StatusCode::kCorruption);
  EXPECT_EQ(defects.ToStatus().message(), "1; 2; 3; 4; 5; 6; 7; 8; 9; 10; and 2 more");
}

}  // namespace
}  // namespace shardfs
