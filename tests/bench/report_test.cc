#include "bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace shardfs::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Row RateRow(double ours, double target) {
  Row row;
  row.name = "read <fresh>";
  row.against = "tmpfs";
  row.unit = "GB/s";
  row.ours = {ours, ours, 9};
  row.reference = {2, 2, 9};
  row.target = Target{Bound::kRatioAtLeast, target};
  return row;
}

Row TimeRow(double seconds) {
  Row row;
  row.name = "mount";
  row.unit = "s";
  row.better = Better::kLower;
  row.ours = {seconds};
  row.reference = {0.25};
  row.target = Target{Bound::kValueAtMost, 1};
  return row;
}

Row SkippedRow() {
  Row row;
  row.name = "huge";
  row.skipped = "no huge pages";
  row.target = Target{Bound::kRatioAtLeast, 1.2};
  return row;
}

Report SampleReport() { return {{{"cpu", "Xeon & co"}, {"cores", "2"}}, {RateRow(3, 1.4), TimeRow(2), SkippedRow()}}; }

TEST(Row, RatioIsAboveOneWhereOursIsBetter) {
  EXPECT_EQ(RateRow(3, 1).Ratio(), 1.5);
  EXPECT_EQ(TimeRow(0.5).Ratio(), 0.5);  // half as fast
  EXPECT_EQ(SkippedRow().Ratio(), std::nullopt);
  EXPECT_EQ(RateRow(3, 1).RatioRange(), std::pair(1.0, 1.5));
  EXPECT_EQ(SkippedRow().RatioRange(), std::nullopt);
}

TEST(Row, MeetsItsTargetAtTheLimit) {
  EXPECT_EQ(RateRow(3, 1.5).Met(), true);
  EXPECT_EQ(RateRow(3, 1.51).Met(), false);
  EXPECT_EQ(TimeRow(1).Met(), true);
  EXPECT_EQ(TimeRow(1.01).Met(), false);
  EXPECT_EQ(SkippedRow().Met(), std::nullopt);
  Row most = RateRow(3, 1.4);
  most.target = Target{Bound::kRatioAtMost, 1.49};
  EXPECT_EQ(most.Met(), false);
  most.target->limit = 1.5;
  EXPECT_EQ(most.Met(), true);
}

TEST(Row, NumbersHaveThreeDigits) {
  EXPECT_EQ(NumberText(1234.5), "1234");
  EXPECT_EQ(NumberText(57.16), "57.2");
  EXPECT_EQ(NumberText(2.414), "2.41");
  EXPECT_EQ(NumberText(0.01234), "0.0123");
}

TEST(Report, TableHasALineForEachRow) {
  const std::string table = TableText(SampleReport());
  EXPECT_THAT(table, HasSubstr("cpu: Xeon & co\n"));
  EXPECT_THAT(table, HasSubstr("read <fresh>  3.00 GB/s  2.00 GB/s   1.50  1.00 - 1.50   at least 1.40      yes\n"));
  EXPECT_THAT(table, HasSubstr("mount            2.00 s     0.25 s   0.12  0.12 - 0.12  at most 1.00 s       NO\n"));
  EXPECT_THAT(table, HasSubstr("skipped: huge: no huge pages\n"));
  EXPECT_THAT(table, Not(HasSubstr(" \n")));
}

TEST(Report, JsonHasEveryRoundAndNullForWhatIsNotThere) {
  const auto json = nlohmann::json::parse(JsonText(SampleReport()));
  EXPECT_EQ(json["facts"]["cores"], "2");
  ASSERT_EQ(json["rows"].size(), 3u);
  EXPECT_EQ(json["rows"][0]["rounds"]["ours"], (nlohmann::json{3, 3, 9}));
  EXPECT_EQ(json["rows"][0]["ratio"], 1.5);
  EXPECT_EQ(json["rows"][0]["target"]["ratio_at_least"], 1.4);
  EXPECT_EQ(json["rows"][1]["met"], false);
  EXPECT_EQ(json["rows"][2]["skipped"], "no huge pages");
  EXPECT_TRUE(json["rows"][2]["met"].is_null());
}

TEST(Report, PlotHasABarForEachMeasuredRow) {
  const std::string svg = SvgText(SampleReport());
  std::size_t bars = 0;
  for (std::size_t at = 0; (at = svg.find("fill=\"#", at)) != std::string::npos; ++at) ++bars;
  EXPECT_EQ(bars, 2u);
  EXPECT_THAT(svg, HasSubstr("read &lt;fresh&gt;"));
  EXPECT_THAT(svg, HasSubstr("cpu: Xeon &amp; co"));
  EXPECT_THAT(svg, HasSubstr("1.50 (at least 1.40)"));
  EXPECT_THAT(svg, HasSubstr("2.00 s (at most 1.00 s)"));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

}  // namespace
}  // namespace shardfs::bench
