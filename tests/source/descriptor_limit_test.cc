#include "source/descriptor_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace shardfs {
namespace {

// Each in a process of its own, as limits cannot be given back.
[[noreturn]] void ExitWith(bool good) { std::_Exit(good ? 0 : 1); }

void LimitTo(rlim_t soft, rlim_t hard) {
  const rlimit limit{.rlim_cur = soft, .rlim_max = hard};
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(DescriptorLimitTest, RaisesTheSoftLimit) {
  EXPECT_EXIT(
      {
        LimitTo(64, 512);
        const Status status = ReserveDescriptors(200);
        rlimit now = {};
        getrlimit(RLIMIT_NOFILE, &now);
        ExitWith(status.ok() && now.rlim_cur == 512 && now.rlim_max == 512);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(DescriptorLimitTest, RefusesWhenTheHardLimitIsTooLow) {
  EXPECT_EXIT(
      {
        LimitTo(64, 64);
        const Status status = ReserveDescriptors(163);
        const std::string message(status.message());
        ExitWith(status.code() == StatusCode::kResourceExhausted && message.find("163 files") != message.npos &&
                 message.find("is 64") != message.npos);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(DescriptorLimitTest, LeavesAHighLimitAlone) {
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(ReserveDescriptors(0).ok());
  rlimit after = {};
  getrlimit(RLIMIT_NOFILE, &after);
  EXPECT_GE(after.rlim_cur, before.rlim_cur);
}

}  // namespace
}  // namespace shardfs
