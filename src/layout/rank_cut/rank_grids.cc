#include "layout/rank_cut/rank_grids.h"

#include <fmt/format.h>

#include <array>
#include <initializer_list>

#include "layout/rank_cut/refusal.h"
#include "parallel/mesh.h"
#include "shardfs/base/checked_math.h"

namespace shardfs::rank_cut {
namespace {

Result<std::uint64_t> Product(std::initializer_list<std::uint64_t> sizes) {
  std::uint64_t product = 1;
  for (const std::uint64_t size : sizes) {
    const auto next = CheckedMul(product, size);
    if (!next || *next > Mesh::kMostRanks) {
      return Refuse("bad-mesh", fmt::format("the sizes make more than {} ranks", Mesh::kMostRanks));
    }
    product = *next;
  }
  return product;
}

Result<std::uint64_t> Rest(std::uint64_t world, std::string_view names, std::uint64_t product) {
  if (world % product == 0) return world / product;
  return Refuse("bad-mesh", fmt::format("world {} is not a multiple of {} = {}", world, names, product));
}

Result<MeshSizes> SizesOf(const MeshSpec& spec) {
  MeshSizes sizes;
  sizes.tp = spec.tp.value_or(1);
  sizes.cp = spec.cp.value_or(1);
  sizes.pp = spec.pp.value_or(1);
  sizes.ep = spec.ep.value_or(1);
  sizes.etp = spec.etp.value_or(sizes.ep == 1 ? sizes.tp : 1);
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t dense, Product({sizes.tp, sizes.cp, sizes.pp}));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t expert, Product({sizes.etp, sizes.ep, sizes.pp}));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t all, Product({dense, spec.dp.value_or(1)}));
  sizes.world = spec.world.value_or(all);
  SHARDFS_RETURN_IF_ERROR(Product({sizes.world}).status());
  SHARDFS_ASSIGN_OR_RETURN(sizes.dp, Rest(sizes.world, "tp*cp*pp", dense));
  if (spec.dp && *spec.dp != sizes.dp) {
    return Refuse("bad-mesh", fmt::format("dp is {}, but world {} over tp*cp*pp = {} is {}", *spec.dp, sizes.world,
                                          dense, sizes.dp));
  }
  SHARDFS_ASSIGN_OR_RETURN(sizes.edp, Rest(sizes.world, "etp*ep*pp", expert));
  return sizes;
}

}  // namespace

Result<RankGrids> RankGrids::Create(const MeshSpec& spec) {
  RankGrids grids;
  SHARDFS_ASSIGN_OR_RETURN(grids.sizes_, SizesOf(spec));
  grids.order_ = spec.order;
  grids.expert_order_ = spec.expert_order.value_or(spec.order);
  SHARDFS_RETURN_IF_ERROR(grids.PlaceRanks());
  return grids;
}

// One order serves both grids: in each, the axes of the other have size 1.
Status RankGrids::PlaceRanks() {
  const std::array<MeshAxis, 5> dense_axes = {
      {{"tp", sizes_.tp}, {"cp", sizes_.cp}, {"ep", 1}, {"dp", sizes_.dp}, {"pp", sizes_.pp}}};
  const std::array<MeshAxis, 5> expert_axes = {
      {{"tp", sizes_.etp}, {"cp", 1}, {"ep", sizes_.ep}, {"dp", sizes_.edp}, {"pp", sizes_.pp}}};
  const auto dense = Mesh::Create(dense_axes, order_);
  if (!dense.ok()) return Refuse("bad-mesh", dense.status().message());
  const auto expert = Mesh::Create(expert_axes, expert_order_);
  if (!expert.ok()) {
    return Refuse("bad-mesh", fmt::format("{} (in the expert grid, where tp is etp {} and dp is edp {})",
                                          expert.status().message(), sizes_.etp, sizes_.edp));
  }
  for (std::uint32_t rank = 0; rank < dense->size(); ++rank) {
    RankPlace place;
    place.rank = rank;
    place.tp = dense->CoordinateOf(rank, "tp");
    place.cp = dense->CoordinateOf(rank, "cp");
    place.dp = dense->CoordinateOf(rank, "dp");
    place.pp = dense->CoordinateOf(rank, "pp");
    place.ep = expert->CoordinateOf(rank, "ep");
    place.etp = expert->CoordinateOf(rank, "tp");
    place.edp = expert->CoordinateOf(rank, "dp");
    if (const std::uint32_t stage = expert->CoordinateOf(rank, "pp"); stage != place.pp) {
      return Refuse("bad-mesh",
                    fmt::format("rank {}: stage {} in the dense grid, {} in the expert grid", rank, place.pp, stage));
    }
    ranks_.push_back(place);
  }
  return Status::Ok();
}

std::uint64_t RankGrids::SizeOf(CutGroup group) const {
  return group == CutGroup::kTp ? sizes_.tp : group == CutGroup::kEp ? sizes_.ep : sizes_.etp;
}

std::uint32_t RankGrids::CoordinateOf(const RankPlace& place, CutGroup group) {
  return group == CutGroup::kTp ? place.tp : group == CutGroup::kEp ? place.ep : place.etp;
}

}  // namespace shardfs::rank_cut
