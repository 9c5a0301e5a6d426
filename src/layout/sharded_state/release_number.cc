#include "layout/sharded_state/release_number.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parse_number.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

Status NoRelease(std::string_view text) {
  return Status::InvalidArgument(
      fmt::format("{} is no number of a release; write one such as 0.26 or 0.10.2", QuoteName(text)));
}

// "0.5.10.post1" without its end.
std::string_view WithoutPost(std::string_view text) {
  const auto at = text.find(".post");
  if (at == std::string_view::npos) return text;
  const std::string_view number = text.substr(at + std::string_view(".post").size());
  return ParseNumber<std::uint32_t>(number) ? text.substr(0, at) : text;
}

}  // namespace

Result<ReleaseNumber> ReleaseNumber::Parse(std::string_view text) {
  ReleaseNumber release;
  std::string_view rest = WithoutPost(text);
  while (true) {
    const auto dot = rest.find('.');
    const auto part = ParseNumber<std::uint32_t>(rest.substr(0, dot));
    if (!part || release.written_ == release.parts_.size()) return NoRelease(text);
    release.parts_[release.written_++] = *part;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (release.written_ < 2) return NoRelease(text);
  return release;
}

std::string ReleaseNumber::ToString() const {
  return fmt::format("{}", fmt::join(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(written_), "."));
}

std::strong_ordering ReleaseNumber::ComparedWithSeries(const ReleaseNumber& series) const {
  const auto end = static_cast<std::ptrdiff_t>(series.written_);
  return std::lexicographical_compare_three_way(parts_.begin(), parts_.begin() + end, series.parts_.begin(),
                                                series.parts_.begin() + end);
}

}  // namespace shardfs
