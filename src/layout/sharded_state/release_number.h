// ReleaseNumber: a release of an engine: "0.26", "0.10.2", "0.10.1.1", "0.5.18.post1".
//
// Parts that are not written are 0, so 0.10 is 0.10.0; a ".postN" changes no name of a tensor and is dropped.
// Immutable; thread-safe.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

class ReleaseNumber {
 public:
  ReleaseNumber() = default;

  // kInvalidArgument for what is no number of a release: two to four numbers with dots between them.
  static Result<ReleaseNumber> Parse(std::string_view text);

  std::string ToString() const;  // as many parts as were written: "0.26"

  // The first parts of this release, as many as `series` was written with, compared with `series`: 0.26.3 is equal to
  // the series 0.26.
  std::strong_ordering ComparedWithSeries(const ReleaseNumber& series) const;

  friend std::strong_ordering operator<=>(const ReleaseNumber& a, const ReleaseNumber& b) {
    return a.parts_ <=> b.parts_;
  }
  friend bool operator==(const ReleaseNumber& a, const ReleaseNumber& b) { return a.parts_ == b.parts_; }

 private:
  std::array<std::uint32_t, 4> parts_ = {};
  std::size_t written_ = 0;
};

}  // namespace shardfs
