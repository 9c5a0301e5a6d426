#include "shardfs/base/digest_time.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

FileDigest DigestOf(std::uint64_t number) {
  FileDigest digest;
  for (std::size_t i = 8; i-- > 0; number >>= 8) digest.bytes[i] = static_cast<std::uint8_t>(number & 0xFF);
  return digest;
}

TEST(DigestTimeTest, SecondsAreTakenOffAndNanosecondsAreTheDigests) {
  const std::int64_t newest = 1'700'000'000 * kSecond + 123;
  EXPECT_EQ(DigestTime(newest, DigestOf(0)), 1'700'000'000 * kSecond);
  EXPECT_EQ(DigestTime(newest, DigestOf(999'999)), 1'699'000'001 * kSecond);
  EXPECT_EQ(DigestTime(newest, DigestOf(7'000'001)), 1'699'999'999 * kSecond + 7);
  EXPECT_EQ(DigestTime(newest, DigestOf(UINT64_MAX)), (1'700'000'000 - 551'615) * kSecond + 744'073'709);
}

// Archivers, and file systems, refuse what lies before 1970.
TEST(DigestTimeTest, NoTimeIsNegative) {
  for (const std::int64_t newest : {std::int64_t{-5} * kSecond, std::int64_t{0}, std::int64_t{1}, 999'999 * kSecond}) {
    const std::int64_t base = newest < 0 ? 0 : newest / kSecond;
    EXPECT_EQ(DigestTime(newest, DigestOf(999'999)), (base + 999'999) * kSecond);
  }
  EXPECT_EQ(DigestTime(1'000'000 * kSecond, DigestOf(999'999)), kSecond);
}

}  // namespace
}  // namespace shardfs
