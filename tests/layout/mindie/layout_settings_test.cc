#include "layout/mindie/config/layout_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/environment.h"
#include "layout/mindie/config/mindie_specs.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;

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

using Options = std::vector<std::pair<std::string, std::string>>;

LayoutSettings SettingsFrom(const Options& options) {
  std::vector<GivenOption> given;
  for (const auto& [name, text] : options)
    given.push_back({name, text, OptionOrigin::kCommandLine, OptionFlagOf(name)});
  std::vector<const OptionSpec*> specs;
  for (const OptionSpec& spec : MindieSpecs()) specs.push_back(&spec);
  const auto values = OptionValues::Create(std::move(given), specs);
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? SettingsOf(*values) : LayoutSettings();
}

TEST(SettingsOfTest, SilentAboutWhatIsNotGiven) {
  const LayoutSettings settings = SettingsFrom({});
  for (const SizeSetting& size : SizeSettings()) EXPECT_FALSE((settings.*size.member).has_value()) << size.name;
  EXPECT_FALSE(settings.mtp || settings.rank_table || settings.max_shard_bytes || settings.dp_partition_up);
  EXPECT_TRUE(settings.layout_options.empty());
}

TEST(SettingsOfTest, EachSizeHasItsPlace) {
  std::int64_t number = 2;
  for (const SizeSetting& size : SizeSettings()) {
    const std::string text = std::to_string(++number);
    const LayoutSettings settings = SettingsFrom({{OptionNameOf(size.name), text}});
    for (const SizeSetting& other : SizeSettings()) {
      EXPECT_EQ(settings.*other.member, other.name == size.name ? std::optional(number) : std::nullopt)
          << size.name << " as " << other.name;
    }
  }
}

// -1 is given, and so hides what an engine's own file says, but asks for the default.
TEST(SettingsOfTest, MinusOneIsNotSilence) { EXPECT_EQ(SettingsFrom({{"dp", "-1"}}).dp, -1); }

TEST(SettingsOfTest, OptionsOfMindiesOwnConfFileKeepTheirText) {
  const LayoutSettings settings = SettingsFrom({{"mtp", "true"},
                                                {"max_shard_size", "40KB"},
                                                {"dp_partition_up", "false"},
                                                {"fidelity", "loader"},
                                                {"ep_level", "2"},
                                                {"enable_gating_dp", "false"},
                                                {"dense_mlp_local_tp", "2"}});
  EXPECT_EQ(settings.mtp, true);
  EXPECT_EQ(settings.max_shard_bytes, 40'000u);
  EXPECT_EQ(settings.dp_partition_up, false);
  EXPECT_EQ(
      settings.layout_options,
      (std::map<std::string, std::string>{
          {"fidelity", "loader"}, {"ep_level", "2"}, {"enable_gating_dp", "false"}, {"dense_mlp_local_tp", "2"}}));
}

}  // namespace
}  // namespace shardfs
