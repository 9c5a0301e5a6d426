#include "service/privileges.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(ParseAccountTest, TakesNamesAndNumbers) {
  const auto nobody = ParseAccount("nobody");
  ASSERT_TRUE(nobody.ok()) << nobody.status();
  EXPECT_EQ(nobody->uid, 65534u);
  EXPECT_EQ(nobody->gid, 65534u);
  const auto both = ParseAccount("1001:daemon");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->uid, 1001u);
  EXPECT_EQ(both->gid, 1u);
}

TEST(ParseAccountTest, RefusesWhatNamesNobody) {
  for (const char* text : {"", ":", "nobody:", ":daemon", "no-such-user", "1001:no-such-group", "4294967295:1",
                           "1001:4294967295", "-1", "64711", "root", "0:1001"}) {
    EXPECT_EQ(ParseAccount(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace shardfs
