#include "option/declared_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::array<std::string_view, 2> kForms = {"index", "file"};
constexpr std::array<std::string_view, 2> kMoreForms = {"file", "natural"};
constexpr std::array<OptionSpec, 2> kOne = {{{"size", OptionKind::kBytes, "SIZE", "Size of a file", "5GB"},
                                             {"order", OptionKind::kChoice, "ORDER", "Order", "index", kForms}}};
constexpr std::array<OptionSpec, 2> kTwo = {{{"order", OptionKind::kChoice, "ORDER", "Order here", "", kMoreForms},
                                             {.name = "mp",
                                              .kind = OptionKind::kCount,
                                              .value = "N",
                                              .summary = "Ranks",
                                              .fallback = "",
                                              .alias = "model_parallel"}}};
constexpr std::array<OptionTaker, 2> kTakers = {{{"layout", "one", kOne}, {"layout", "two", kTwo}}};

TEST(DeclaredOptionsTest, ANameStandsOnceWithAllThatDeclareIt) {
  const auto options = DeclaredOptions(kTakers);
  ASSERT_EQ(options.size(), 3u);
  EXPECT_EQ(options[0].name, "size");
  EXPECT_EQ(options[0].help, "Size of a file (default: 5GB)");
  EXPECT_EQ(options[0].group, "Options of one");
  EXPECT_THAT(options[0].takers, ElementsAre("one"));
  EXPECT_THAT(options[0].choices, IsEmpty());
  EXPECT_EQ(options[1].name, "order");
  EXPECT_EQ(options[1].help, "one: Order (default: index); two: Order here");
  EXPECT_EQ(options[1].group, "Options of several");
  EXPECT_THAT(options[1].takers, ElementsAre("one", "two"));
  EXPECT_THAT(options[1].choices, ElementsAre("index", "file", "natural"));
}

TEST(DeclaredOptionsTest, AnAliasStandsBesideItsName) {
  const auto options = DeclaredOptions(kTakers);
  ASSERT_EQ(options.size(), 3u);
  EXPECT_EQ(options[2].name, "mp");
  EXPECT_EQ(options[2].help, "Ranks");
  EXPECT_THAT(options[2].aliases, ElementsAre("model_parallel"));
}

constexpr std::array<OptionSpec, 2> kThree = {
    {{.name = "mp", .kind = OptionKind::kCount, .value = "N", .summary = "", .fallback = "", .alias = "model_parallel"},
     {.name = "n", .kind = OptionKind::kCount, .value = "N", .summary = "", .fallback = "", .alias = "size"}}};
constexpr std::array<OptionTaker, 3> kMoreTakers = {
    {{"layout", "one", kOne}, {"layout", "two", kTwo}, {"layout", "three", kThree}}};

TEST(DeclaredOptionsTest, AnAliasStandsOnceAndNotWhereItIsAnotherOptionsName) {
  const auto options = DeclaredOptions(kMoreTakers);
  ASSERT_EQ(options.size(), 4u);
  EXPECT_EQ(options[2].name, "mp");
  EXPECT_THAT(options[2].aliases, ElementsAre("model_parallel"));
  EXPECT_EQ(options[3].name, "n");
  EXPECT_THAT(options[3].aliases, IsEmpty());  // --size is the option of `one`
}

}  // namespace
}  // namespace shardfs
