#include "base/parse_number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace shardfs {
namespace {

TEST(ParseNumberTest, TakesWholeNumbersThatFit) {
  EXPECT_EQ(ParseNumber<std::uint32_t>("0"), 0u);
  EXPECT_EQ(ParseNumber<std::uint32_t>("4294967295"), 4294967295u);
  EXPECT_EQ(ParseNumber<std::int64_t>("-1"), -1);
  EXPECT_EQ(ParseNumber<std::uint32_t>("0750", 8), 0750u);
}

TEST(ParseNumberTest, RefusesEverythingElse) {
  for (const char* text : {"", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "4294967296", "one"}) {
    EXPECT_EQ(ParseNumber<std::uint32_t>(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseNumber<std::uint32_t>("-1"), std::nullopt);
  EXPECT_EQ(ParseNumber<std::uint32_t>("8", 8), std::nullopt);
}

}  // namespace
}  // namespace shardfs
