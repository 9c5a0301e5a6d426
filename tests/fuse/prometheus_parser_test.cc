// The parser refuses what it must, so that the tests that use it mean something.
#include "fuse/prometheus_parser.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

const std::string kCounter = "# HELP a_total A.\n# TYPE a_total counter\n";
const std::string kHistogram = "# HELP h H.\n# TYPE h histogram\n";

TEST(PrometheusTextTest, ReadsSamples) {
  const PrometheusText text(kCounter + "a_total{b=\"c\\\"d\\\\\\n\"} 3\na_total 4e2\n" + kHistogram +
                            "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.75\nh_count 2\n");
  EXPECT_EQ(text.error(), "");
  EXPECT_EQ(text["a_total{b=\"c\\\"d\\\\\\n\"}"], 3);
  EXPECT_EQ(text["a_total"], 400);
  EXPECT_EQ(text["h_sum"], 0.75);
  EXPECT_TRUE(std::isnan(text["missing"]));
  EXPECT_EQ(text.TypeOf("h"), "histogram");
}

TEST(PrometheusTextTest, RefusesWhatIsWrong) {
  for (const std::string& text : {
           std::string(),
           kCounter + "a_total 1",
           kCounter + "\na_total 1\n",
           std::string("a_total 1\n"),
           std::string("# TYPE a_total counter\na_total 1\n"),
           std::string("# HELP a A.\n# TYPE a counter\na 1\n"),
           kCounter + "a_total 1\na_total 1\n",
           kCounter + "b_total 1\n",
           kCounter + "a_total x\n",
           kCounter + "a_total -1\n",
           kCounter + "a_total{b=\"c\"d\"} 1\n",
           kCounter + "a_total{2b=\"c\"} 1\n",
           kCounter + "a_total 1\n" + kCounter + "a_total{x=\"y\"} 1\n",
           kHistogram + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
           kHistogram + "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
           kHistogram + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
           kHistogram + "h_bucket{le=\"+Inf\"} 1\nh_count 1\n",
       }) {
    EXPECT_NE(PrometheusText(text).error(), "") << text;
  }
}

}  // namespace
}  // namespace shardfs
