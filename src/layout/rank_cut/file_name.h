// FileName: the template of a rank's file: "rank_{rank:05d}/model.safetensors".
// Source: spec/rank-cuts.md, section 3.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs::rank_cut {

// The coordinates of a rank in both grids.
struct RankPlace {
  std::uint32_t rank = 0;
  std::uint32_t tp = 0, cp = 0, dp = 0, pp = 0;  // dense
  std::uint32_t ep = 0, etp = 0, edp = 0;        // expert; its stage is pp as well

  bool operator==(const RankPlace&) const = default;
};

class FileName {
 public:
  // bad-rule for a brace that is not closed, a name that is no coordinate, a width that is none, and for a path that is
  // absolute, has an empty part, "." or "..", begins with what the program keeps for itself, or does not end with
  // ".safetensors".
  static Result<FileName> Parse(std::string_view text);

  std::string Of(const RankPlace& place) const;

 private:
  struct Piece {
    std::string literal;
    std::uint32_t RankPlace::*coordinate = nullptr;  // null: the literal
    std::uint32_t width = 0;                         // filled with zeros
  };
  std::vector<Piece> pieces_;
};

}  // namespace shardfs::rank_cut
