#include "console/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "console/progress_json.h"

namespace shardfs {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ProgressState Halfway() {
  return {500'000'000, 1'000'000'000, 3, 8, 100'000'000, "model-moe-tp-000-ep-001/model-00001-of-00002.safetensors"};
}

TEST(ProgressTest, Durations) {
  EXPECT_EQ(FormatDuration(0), "0:00");
  EXPECT_EQ(FormatDuration(0.2), "0:01");
  EXPECT_EQ(FormatDuration(65), "1:05");
  EXPECT_EQ(FormatDuration(7389), "2:03:09");
  EXPECT_EQ(FormatDuration(1e300), "99:59:59");
}

TEST(ProgressTest, Line) {
  EXPECT_EQ(FormatProgressLine(Halfway()), "shardfs: 50 %, 500 MB of 1.00 GB, 3 of 8 files, 100 MB/s, 0:05 left");
}

TEST(ProgressTest, NoRateNoTimeLeft) {
  ProgressState state = Halfway();
  state.bytes_per_second = 0;
  EXPECT_EQ(FormatProgressLine(state), "shardfs: 50 %, 500 MB of 1.00 GB, 3 of 8 files");
  EXPECT_THAT(FormatProgressBar(state, 80), Not(HasSubstr("left")));
}

TEST(ProgressTest, NothingToWriteIsDone) {
  EXPECT_THAT(FormatProgressLine(ProgressState{}), HasSubstr("100 %"));
  EXPECT_THAT(FormatProgressBar(ProgressState{}, 80), HasSubstr("=] 100 %"));
}

TEST(ProgressTest, HundredPercentIsForWhatIsDone) {
  ProgressState state = Halfway();
  state.bytes_done = state.bytes_total - 1;
  EXPECT_THAT(FormatProgressLine(state), HasSubstr("99 %"));
}

TEST(ProgressTest, BarFitsEveryWidth) {
  for (std::size_t width = 0; width <= 200; ++width) EXPECT_LE(FormatProgressBar(Halfway(), width).size(), width);
}

TEST(ProgressTest, WideBarNamesTheFile) {
  const std::string wide = FormatProgressBar(Halfway(), 160);
  EXPECT_THAT(wide, StartsWith("[====================>"));
  EXPECT_THAT(wide, EndsWith("  model-moe-tp-000-ep-001/model-00001-of-00002.safetensors"));
  const std::string narrower = FormatProgressBar(Halfway(), 125);
  EXPECT_THAT(narrower, EndsWith("00002.safetensors"));
  EXPECT_THAT(narrower, HasSubstr("  ..."));
}

// From wide to narrow: the bar shrinks to its least, then the name does, then the name goes, then the bar.
TEST(ProgressTest, TheBarShrinksBeforeTheNameGoes) {
  const std::size_t numbers = FormatProgressBar(Halfway(), 60).size();  // no bar yet
  std::size_t last_bar = 40;
  bool had_name = true;
  for (std::size_t width = 200; width > numbers; --width) {
    const std::string line = FormatProgressBar(Halfway(), width);
    const std::size_t end = line.find(']');
    const std::size_t bar = end == std::string::npos ? 0 : end - 1;
    const bool has_name = line.find(".safetensors") != std::string::npos;
    EXPECT_TRUE(had_name || !has_name) << "the name comes back at " << width;
    if (had_name && !has_name) {
      EXPECT_EQ(last_bar, 10u) << "the name goes at " << width << " before the bar has shrunk";
    }
    if (has_name) {
      EXPECT_LE(bar, last_bar) << width;
      EXPECT_TRUE(bar == 10 || line.size() >= line.find("left") + 6 + 40) << "the name shrinks before the bar";
    }
    last_bar = bar;
    had_name = has_name;
  }
  EXPECT_FALSE(had_name);
}

TEST(ProgressTest, NarrowBarKeepsTheNumbers) {
  const std::string bar = FormatProgressBar(Halfway(), 72);
  EXPECT_THAT(bar, StartsWith("[====="));
  EXPECT_THAT(bar, EndsWith(" 50 %   500 MB of 1.00 GB   100 MB/s  0:05 left"));
  EXPECT_THAT(FormatProgressBar(Halfway(), 55), Not(HasSubstr("[")));
}

TEST(ProgressTest, JsonIsOneLineWithAllThatIsKnown) {
  ProgressState state = Halfway();
  state.phase = "write";
  const std::string line = FormatProgressJson(state);
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_EQ(nlohmann::json::parse(line),
            (nlohmann::json{{"phase", "write"},
                            {"bytes_done", 500'000'000},
                            {"bytes_total", 1'000'000'000},
                            {"files_done", 3},
                            {"files_total", 8},
                            {"bytes_per_second", 100'000'000},
                            {"seconds_left", 5},
                            {"current_file", "model-moe-tp-000-ep-001/model-00001-of-00002.safetensors"}}));
}

TEST(ProgressTest, JsonSaysWhatIsNotKnown) {
  ProgressState state;
  state.phase = "compare";
  const nlohmann::json json = nlohmann::json::parse(FormatProgressJson(state));
  for (const char* name : {"bytes_per_second", "seconds_left", "current_file"}) {
    EXPECT_TRUE(json.at(name).is_null()) << name;
  }
}

TEST(ProgressTest, JsonOfANameThatIsNotUtf8) {
  ProgressState state;
  state.current_file = "a\xff\n";
  EXPECT_EQ(nlohmann::json::parse(FormatProgressJson(state)).at("current_file"), "a\uFFFD\n");
}

TEST(ProgressTest, JsonOfTheEnd) {
  EXPECT_EQ(FormatProgressEnd("done", 0, {}, {{"bytes", 9}}),
            R"({"phase":"end","outcome":"done","exit_code":0,"message":null,"result":{"bytes":9}})");
  EXPECT_EQ(FormatProgressEnd("failed", 1, "no \"room\"", nullptr),
            R"({"phase":"end","outcome":"failed","exit_code":1,"message":"no \"room\"","result":null})");
}

TEST(RateMeterTest, MeasuresTheLastSeconds) {
  RateMeter meter;
  const auto start = RateMeter::Clock::time_point{} + std::chrono::hours(1);
  EXPECT_EQ(meter.Update(start, 0), 0);
  for (int second = 1; second <= 10; ++second) {
    meter.Update(start + std::chrono::seconds(second), static_cast<std::uint64_t>(second) * 1000);
  }
  // Ten times faster from here on; the old rate is forgotten after the window.
  double rate = 0;
  for (int second = 1; second <= 6; ++second) {
    rate =
        meter.Update(start + std::chrono::seconds(10 + second), 10'000 + static_cast<std::uint64_t>(second) * 10'000);
  }
  EXPECT_NEAR(rate, 10'000, 1);
}

}  // namespace
}  // namespace shardfs
