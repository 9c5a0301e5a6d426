#include "shardfs/base/format_bytes.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(FormatBytesTest, ThreeDigitsAndAUnit) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.00 kB");
  EXPECT_EQ(FormatBytes(12'345), "12.3 kB");
  EXPECT_EQ(FormatBytes(123'456'789), "123 MB");
  EXPECT_EQ(FormatBytes(10'000'000'000), "10.0 GB");
  EXPECT_EQ(FormatBytes(1'369'062'772'000), "1.37 TB");
}

TEST(FormatBytesTest, RoundsIntoTheNextUnit) {
  EXPECT_EQ(FormatBytes(9'994), "9.99 kB");
  EXPECT_EQ(FormatBytes(9'996), "10.0 kB");
  EXPECT_EQ(FormatBytes(99'960), "100 kB");
  EXPECT_EQ(FormatBytes(999'499), "999 kB");
  EXPECT_EQ(FormatBytes(999'500), "1.00 MB");
}

TEST(FormatBytesTest, TheLargestNumberHasAUnitToo) { EXPECT_EQ(FormatBytes(UINT64_MAX), "18.4 EB"); }

}  // namespace
}  // namespace shardfs
