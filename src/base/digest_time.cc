#include "shardfs/base/digest_time.h"

#include <algorithm>

namespace shardfs {

std::int64_t DigestTime(std::int64_t newest_ns, const FileDigest& digest) {
  constexpr std::uint64_t kSpan = 1'000'000;        // seconds
  constexpr std::uint64_t kSecond = 1'000'000'000;  // nanoseconds
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(number); ++i) number = number << 8 | digest.bytes[i];
  const std::uint64_t newest = static_cast<std::uint64_t>(std::max<std::int64_t>(newest_ns, 0)) / kSecond;
  const std::uint64_t shift = number % kSpan;
  const std::uint64_t seconds = newest >= kSpan ? newest - shift : newest + shift;
  return static_cast<std::int64_t>(seconds * kSecond + number / kSpan % kSecond);
}

}  // namespace shardfs
