#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shardfs {
namespace {

const std::vector<std::string> kNames = {"--dp",     "--tp",     "--cp",       "--moe-tp",  "--moe_tp",  "--moe-ep",
                                         "--moe_ep", "--config", "--log-file", "--threads", "--dir-mode"};

void ExpectMeant(const std::string& word, const std::string& name) {
  EXPECT_EQ(DidYouMean(word, kNames), name.empty() ? "" : "; did you mean " + name + "?") << word;
}

TEST(NearestNameTest, FindsWhatASlipWasMeantToBe) {
  ExpectMeant("--moetp", "--moe-tp");
  ExpectMeant("--MOE-TP", "--moe-tp");
  ExpectMeant("-moe-tp", "--moe-tp");
  ExpectMeant("--logfile", "--log-file");
  ExpectMeant("--log-fiel", "--log-file");
  ExpectMeant("--thread", "--threads");
  ExpectMeant("--confg", "--config");
  ExpectMeant("--ep", "--moe-ep");
  ExpectMeant("-tp", "--tp");
  ExpectMeant("--mode", "--dir-mode");
}

TEST(NearestNameTest, SaysNothingWhereItCannotKnow) {
  ExpectMeant("--frobnicate", "");
  ExpectMeant("--zp", "");      // one letter from three of them
  ExpectMeant("--moe-xp", "");  // from two
  ExpectMeant("--", "");
  ExpectMeant("", "");
  ExpectMeant(std::string(100'000, 'a'), "");
}

}  // namespace
}  // namespace shardfs
