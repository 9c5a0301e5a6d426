#include "shardfs/option/option_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::array<std::string_view, 2> kForms = {"index", "file"};
constexpr OptionSpec kTp{"tp", OptionKind::kCount, "N", "ranks", "1"};
constexpr OptionSpec kMtp{"mtp", OptionKind::kSwitch, "", "the MTP layer", "no"};
constexpr OptionSpec kSize{"max_shard_size", OptionKind::kBytes, "SIZE", "size", "5GB"};
constexpr OptionSpec kOrder{"order", OptionKind::kChoice, "ORDER", "order", "index", kForms};
constexpr OptionSpec kSelect{"select", OptionKind::kList, "GLOBS", "tensors", "all"};
constexpr std::array<const OptionSpec*, 5> kSpecs = {&kTp, &kMtp, &kSize, &kOrder, &kSelect};

GivenOption Given(std::string name, std::string text, OptionOrigin origin = OptionOrigin::kCommandLine) {
  return {name, std::move(text), origin, OptionFlagOf(name)};
}

std::string Refusal(std::vector<GivenOption> given) {
  const auto values = OptionValues::Create(std::move(given), kSpecs);
  EXPECT_FALSE(values.ok());
  if (values.ok()) return "";
  EXPECT_EQ(values.status().code(), StatusCode::kInvalidArgument);
  return std::string(values.status().message());
}

TEST(OptionValuesTest, GivesEachKindItsType) {
  const auto values = OptionValues::Create({Given("tp", "8"), Given("mtp", "false"), Given("max_shard_size", "5GiB"),
                                            Given("order", "file"), Given("select", "a,{b,c}.*"), Given("select", "d")},
                                           kSpecs);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(values->Count(kTp), 8u);
  EXPECT_EQ(values->Switch(kMtp), false);
  EXPECT_EQ(values->Bytes(kSize), 5ull << 30);
  EXPECT_EQ(values->Text(kOrder), "file");
  EXPECT_THAT(values->List(kSelect), ElementsAre("a", "{b,c}.*", "d"));
}

TEST(OptionValuesTest, IsSilentAboutWhatIsNotGiven) {
  const OptionValues values;
  EXPECT_EQ(values.Count(kTp), std::nullopt);
  EXPECT_EQ(values.Switch(kMtp), std::nullopt);
  EXPECT_TRUE(values.List(kSelect).empty());
  EXPECT_FALSE(values.Has(kTp));
  const auto engines_default = OptionValues::Create({Given("tp", "-1")}, kSpecs);
  ASSERT_TRUE(engines_default.ok());
  EXPECT_TRUE(engines_default->Has(kTp));
  EXPECT_EQ(engines_default->Count(kTp), std::nullopt);
}

TEST(OptionValuesTest, TheEarlierOriginWins) {
  const auto values =
      OptionValues::Create({Given("tp", "1", OptionOrigin::kEngineFile), Given("tp", "2", OptionOrigin::kConfigFile),
                            Given("tp", "4", OptionOrigin::kEnvironment), Given("tp", "8"),
                            Given("select", "a", OptionOrigin::kConfigFile), Given("select", "b")},
                           kSpecs);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(values->Count(kTp), 8u);
  EXPECT_THAT(values->List(kSelect), ElementsAre("b"));
  EXPECT_EQ(values->given().size(), 2u);
}

TEST(OptionValuesTest, NamesTheOptionTheTextAndWhatItTakes) {
  for (const char* text : {"0", "-2", "two", "1.5", "+1"}) {
    EXPECT_THAT(Refusal({Given("tp", text)}), AllOf(HasSubstr("--tp"), HasSubstr(text), HasSubstr("at least 1")));
  }
  EXPECT_THAT(Refusal({Given("mtp", "yes")}), AllOf(HasSubstr("--mtp"), HasSubstr("true or false")));
  EXPECT_THAT(Refusal({Given("order", "name")}), AllOf(HasSubstr("--order"), HasSubstr("index or file")));
  EXPECT_THAT(Refusal({Given("max_shard_size", "5XB")}), AllOf(HasSubstr("--max-shard-size"), HasSubstr("'5XB'")));
  EXPECT_THAT(Refusal({Given("order", "")}), AllOf(HasSubstr("--order"), HasSubstr("empty")));
}

TEST(OptionValuesTest, RefusesAnOptionThatOneOriginGivesTwice) {
  EXPECT_THAT(Refusal({Given("tp", "4"), Given("tp", "8")}),
              AllOf(HasSubstr("--tp"), HasSubstr("twice"), HasSubstr("4"), HasSubstr("8")));
}

TEST(OptionValuesTest, WithAddsOnlyWhatIsMissing) {
  const auto values = OptionValues::Create({Given("tp", "8")}, kSpecs);
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(values->With(Given("tp", "2", OptionOrigin::kEngineFile)).Count(kTp), 8u);
  EXPECT_EQ(values->With(Given("mtp", "true", OptionOrigin::kEngineFile)).Switch(kMtp), true);
  EXPECT_FALSE(values->Has(kMtp));
}

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

TEST(ParseSwitchTest, TakesWordsAndDigits) {
  EXPECT_EQ(ParseSwitch("true"), true);
  EXPECT_EQ(ParseSwitch("1"), true);
  EXPECT_EQ(ParseSwitch("false"), false);
  EXPECT_EQ(ParseSwitch("0"), false);
  for (const char* text : {"", "yes", "True", "2", "-1"}) EXPECT_EQ(ParseSwitch(text), std::nullopt) << text;
}

TEST(SplitListTest, CommasWithinBracesBelongToTheItem) {
  EXPECT_THAT(SplitList("a,{b,c},d"), ElementsAre("a", "{b,c}", "d"));
  EXPECT_THAT(SplitList("a,,b,"), ElementsAre("a", "b"));
  EXPECT_TRUE(SplitList("").empty());
  EXPECT_THAT(SplitList("a}b,c"), ElementsAre("a}b", "c"));
}

TEST(OptionNamesTest, HaveTwoSpellings) {
  EXPECT_EQ(OptionNameOf("moe-tp"), "moe_tp");
  EXPECT_EQ(OptionFlagOf("moe_tp"), "--moe-tp");
}

}  // namespace
}  // namespace shardfs
