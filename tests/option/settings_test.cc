#include "option/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/environment.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;

TEST(ParseByteSizeTest, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(*ParseByteSize("1000"), 1000u);
  EXPECT_EQ(*ParseByteSize("7B"), 7u);
  EXPECT_EQ(*ParseByteSize("40KB"), 40'000u);
  EXPECT_EQ(*ParseByteSize("5MB"), 5'000'000u);
  EXPECT_EQ(*ParseByteSize("10GB"), 10'000'000'000u);
  EXPECT_EQ(*ParseByteSize("2TB"), 2'000'000'000'000u);
  EXPECT_EQ(*ParseByteSize("3KiB"), 3072u);
  EXPECT_EQ(*ParseByteSize("512MiB"), 536'870'912u);
  EXPECT_EQ(*ParseByteSize("1GiB"), 1'073'741'824u);
  EXPECT_EQ(*ParseByteSize("1TiB"), 1'099'511'627'776u);
}

TEST(ParseByteSizeTest, RefusesEverythingElse) {
  for (const char* text : {"", "GB", "0", "0GB", "-1", "+1", "1.5GB", "10 GB", "10gb", "10G", "1e9", "10GBs",
                           "99999999999999999999", "99999999999TB"}) {
    const auto size = ParseByteSize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_EQ(size.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(size.status().message()), HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(AddAssignmentTest, SplitsAtTheFirstEqualsSign) {
  std::map<std::string, std::string> options;
  EXPECT_TRUE(AddAssignment("ep_level=2", options).ok());
  EXPECT_TRUE(AddAssignment("note=a=b", options).ok());
  EXPECT_TRUE(AddAssignment("empty=", options).ok());
  EXPECT_EQ(options, (std::map<std::string, std::string>{{"ep_level", "2"}, {"note", "a=b"}, {"empty", ""}}));
  EXPECT_FALSE(AddAssignment("no_sign", options).ok());
  EXPECT_FALSE(AddAssignment("=1", options).ok());
  const Status twice = AddAssignment("ep_level=1", options);
  EXPECT_THAT(std::string(twice.message()), AllOf(HasSubstr("ep_level"), HasSubstr("'2'"), HasSubstr("'1'")));
}

TEST(EnvironmentSettingsTest, SilentWhenNothingIsSet) {
  const CleanEnvironment clean;
  const auto settings = EnvironmentSettings();
  ASSERT_TRUE(settings.ok());
  EXPECT_FALSE(settings->mtp.has_value());
  EXPECT_FALSE(settings->rank_table.has_value());
  EXPECT_FALSE(settings->dp_partition_up.has_value());
}

TEST(EnvironmentSettingsTest, EmptyVariablesAreSilent) {
  const ScopedVariable mtp("DEEPSEEK_MTP", "");
  const ScopedVariable rank_table("RANK_TABLE_FILE", "");
  const ScopedVariable partition_up("DP_PARTITION_UP_ENABLE", "");
  const auto settings = EnvironmentSettings();
  ASSERT_TRUE(settings.ok());
  EXPECT_FALSE(settings->mtp || settings->rank_table || settings->dp_partition_up);
}

TEST(EnvironmentSettingsTest, MtpIsAnyIntegerButZero) {
  const CleanEnvironment clean;
  for (const auto& [text, expected] : {std::pair{"0", false}, {"1", true}, {"2", true}, {"-1", true}}) {
    const ScopedVariable mtp("DEEPSEEK_MTP", text);
    EXPECT_EQ(EnvironmentSettings()->mtp, expected) << text;
  }
  const ScopedVariable mtp("DEEPSEEK_MTP", "yes");
  const auto settings = EnvironmentSettings();
  ASSERT_FALSE(settings.ok());
  EXPECT_THAT(std::string(settings.status().message()), AllOf(HasSubstr("DEEPSEEK_MTP"), HasSubstr("'yes'")));
}

TEST(EnvironmentSettingsTest, PartitionUpIsZeroOrOne) {
  const CleanEnvironment clean;
  const ScopedVariable on("DP_PARTITION_UP_ENABLE", "1");
  EXPECT_EQ(EnvironmentSettings()->dp_partition_up, true);
  const ScopedVariable off("DP_PARTITION_UP_ENABLE", "0");
  EXPECT_EQ(EnvironmentSettings()->dp_partition_up, false);
  const ScopedVariable wrong("DP_PARTITION_UP_ENABLE", "2");
  EXPECT_FALSE(EnvironmentSettings().ok());
}

TEST(MergeTest, TheFirstThatSaysSomethingWins) {
  LayoutSettings first;
  first.dp = -1;
  first.layout_options = {{"a", "first"}};
  LayoutSettings second;
  second.dp = 2;
  second.tp = 8;
  second.mtp = true;
  second.layout_options = {{"a", "second"}, {"b", "second"}};
  const LayoutSettings merged = Merge(first, second);
  EXPECT_EQ(merged.dp, -1);
  EXPECT_EQ(merged.tp, 8);
  EXPECT_EQ(merged.mtp, true);
  EXPECT_FALSE(merged.cp.has_value());
  EXPECT_EQ(merged.layout_options, (std::map<std::string, std::string>{{"a", "first"}, {"b", "second"}}));
}

}  // namespace
}  // namespace shardfs
