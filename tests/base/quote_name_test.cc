#include "base/quote_name.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(QuoteNameTest, QuotesAndEscapesControlCharacters) {
  EXPECT_EQ(QuoteName("model.norm.weight"), "'model.norm.weight'");
  EXPECT_EQ(QuoteName("a\x1b[31m\n\x7f"), "'a\\x1b[31m\\x0a\\x7f'");
  EXPECT_EQ(QuoteName("\u009b31m"), "'\\xc2\\x9b31m'");
  EXPECT_EQ(QuoteName("\u00e9"), "'\u00e9'");
}

TEST(QuoteNameTest, CutsLongNamesBetweenCharacters) {
  EXPECT_EQ(QuoteName(std::string(200, 'a')), "'" + std::string(200, 'a') + "'");
  EXPECT_EQ(QuoteName(std::string(201, 'a')), "'" + std::string(200, 'a') + "...'");
  EXPECT_EQ(QuoteName(std::string(199, 'a') + "\u00e9"), "'" + std::string(199, 'a') + "...'");
}

}  // namespace
}  // namespace shardfs
