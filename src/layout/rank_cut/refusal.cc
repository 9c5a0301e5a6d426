#include "layout/rank_cut/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace shardfs::rank_cut {

Status Refuse(std::string_view code, std::string_view message) {
  constexpr std::array<std::string_view, 5> kOfTheCheckpoint = {"no-rule", "layer-range", "expert-range", "shape",
                                                                "dtype"};
  std::string text = fmt::format("{}: {}", code, message);
  const bool damaged = std::find(kOfTheCheckpoint.begin(), kOfTheCheckpoint.end(), code) != kOfTheCheckpoint.end();
  return damaged ? Status::Corruption(std::move(text)) : Status::InvalidArgument(std::move(text));
}

}  // namespace shardfs::rank_cut
