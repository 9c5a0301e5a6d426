#include "shardfs/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace shardfs {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Status::InvalidArgument(std::to_string(number) + " is odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  SHARDFS_ASSIGN_OR_RETURN(const int half, Half(number));
  return Half(half);
}

TEST(ResultTest, HoldsAValueOrAStatus) {
  EXPECT_TRUE(Half(4).ok());
  EXPECT_EQ(*Half(4), 2);
  EXPECT_EQ(Half(3).status().message(), "3 is odd");
}

TEST(ResultTest, AssignOrReturnHandsTheStatusUp) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "3 is odd");
}

TEST(ResultTest, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> value = std::move(result).value();
  EXPECT_EQ(*value, 7);
}

TEST(ResultTest, TakesWhatConvertsToItsValue) {
  const Result<std::string> result = "text";
  EXPECT_EQ(*result, "text");
}

}  // namespace
}  // namespace shardfs
