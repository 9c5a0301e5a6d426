#include "shardfs/source/source_alarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A source whose state is set by the test, and which counts how often it is asked.
class SettableSource final : public ByteSource {
 public:
  explicit SettableSource(std::string name) : name_(std::move(name)) {}

  Status ReadAt(std::uint64_t, std::span<std::byte>) const override { return Status::IoError("has no bytes"); }
  Status CheckUnchanged() const override {
    ++looks;
    return changed ? Status::SourceChanged(name_ + " changed") : Status::Ok();
  }
  Status CheckName() const override { return renamed ? Status::SourceChanged(name_ + " renamed") : Status::Ok(); }
  std::uint64_t size() const override { return 0; }
  const std::string& name() const override { return name_; }

  bool changed = false;
  bool renamed = false;
  mutable std::atomic<int> looks{0};

 private:
  std::string name_;
};

std::vector<std::string> Reports(SourceAlarm& alarm) {
  std::vector<std::string> reports;
  alarm.Look([&reports](const Status& status) { reports.emplace_back(status.message()); });
  return reports;
}

TEST(SourceAlarmTest, ReportsEachSourceOnce) {
  SettableSource a("a");
  SettableSource b("b");
  SourceAlarm alarm({&a, &b}, std::chrono::milliseconds(0));
  EXPECT_THAT(Reports(alarm), IsEmpty());
  b.renamed = true;
  EXPECT_THAT(Reports(alarm), ElementsAre("b renamed"));
  EXPECT_THAT(Reports(alarm), IsEmpty());
  a.renamed = true;
  b.changed = true;
  EXPECT_THAT(Reports(alarm), ElementsAre("a renamed", "b changed"));
  EXPECT_THAT(Reports(alarm), IsEmpty());
}

TEST(SourceAlarmTest, ReportsTheDirectoryOnce) {
  bool replaced = false;
  SourceAlarm alarm({}, std::chrono::milliseconds(0),
                    [&replaced] { return replaced ? Status::SourceChanged("replaced") : Status::Ok(); });
  EXPECT_THAT(Reports(alarm), IsEmpty());
  replaced = true;
  EXPECT_THAT(Reports(alarm), ElementsAre("replaced"));
  EXPECT_THAT(Reports(alarm), IsEmpty());
}

TEST(SourceAlarmTest, LooksAtMostOnceAnInterval) {
  const SettableSource source("a");
  SourceAlarm alarm({&source}, std::chrono::hours(1));
  for (int i = 0; i < 1000; ++i) EXPECT_THAT(Reports(alarm), IsEmpty());
  EXPECT_EQ(source.looks, 1);
}

TEST(SourceAlarmTest, ManyThreadsGetOneReport) {
  SettableSource source("a");
  source.renamed = true;
  SourceAlarm alarm({&source}, std::chrono::milliseconds(0));
  std::atomic<int> reports{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) alarm.Look([&reports](const Status&) { ++reports; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(reports, 1);
}

}  // namespace
}  // namespace shardfs
