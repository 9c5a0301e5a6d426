// What the fuzz targets share: checks that hold with NDEBUG, and choices read from the fuzzer's bytes.
//
// A target is one LLVMFuzzerTestOneInput in one file. clang links it with libFuzzer; every compiler links it with
// replay.cc, which runs the files of the corpus as ordinary tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Ends the process, which the fuzzer takes for a find, when `condition` does not hold.
#define SHARDFS_FUZZ_CHECK(condition)                                                     \
  do {                                                                                    \
    if (!(condition)) [[unlikely]] {                                                      \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace shardfs::testing {

inline std::string_view AsText(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Numbers below a bound from the input's bytes, front to back; 0 when they are used up.
class FuzzChoices {
 public:
  FuzzChoices(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}

  std::uint64_t Below(std::uint64_t bound) {
    std::uint64_t value = 0;
    for (std::uint64_t limit = bound - 1; limit != 0; limit >>= 8) value = value << 8 | Byte();
    return value % bound;
  }
  std::uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  bool empty() const { return bytes_.empty(); }
  std::span<const std::uint8_t> rest() const { return bytes_; }
  std::string_view Take(std::size_t size) {
    const auto taken = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return AsText(taken.data(), taken.size());
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace shardfs::testing
