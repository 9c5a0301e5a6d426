// Ranks of one file name share one file. That their tensors are equal is decided from coordinates, and from slices
// where coordinates differ; then the files are built in parallel, each from what its first rank holds.
#include "layout/rank_cut/rank_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "base/sha256.h"
#include "layout/rank_cut/refusal.h"
#include "shardfs/base/json.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::rank_cut {
namespace {

bool SlicesAgree(const TensorCut& cut, const RankPlace& a, const RankPlace& b) {
  return std::all_of(cut.axes.begin(), cut.axes.end(), [&](const AxisCut& axis) {
    const std::uint32_t one = RankGrids::CoordinateOf(a, axis.group);
    const std::uint32_t other = RankGrids::CoordinateOf(b, axis.group);
    return axis.slices[one].parts == axis.slices[other].parts && axis.slices[one].zeros == axis.slices[other].zeros;
  });
}

bool FilesAgree(const Placement& placement, const RankPlace& a, const RankPlace& b) {
  if (a.tp == b.tp && a.pp == b.pp && a.ep == b.ep && a.etp == b.etp) return true;
  return std::all_of(placement.tensors.begin(), placement.tensors.end(), [&](const PlacedTensor& tensor) {
    if (tensor.IsOn(a) != tensor.IsOn(b)) return false;
    return !tensor.IsOn(a) || SlicesAgree(*tensor.cut, a, b);
  });
}

Result<std::unique_ptr<const VirtualFile>> BuildFile(const TableInForce& in_force, const Placement& placement,
                                                     const CheckpointPtr& checkpoint, const RankPlace& place) {
  std::vector<PlannedTensor> planned;
  for (const PlacedTensor& tensor : placement.tensors) {
    if (!tensor.IsOn(place)) continue;
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr expression, checkpoint->tensors().Build(tensor.index));
    auto cut = tensor.cut->Apply(std::move(expression), place);
    if (!cut.ok()) return cut.status().WithContext(tensor.name);
    SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(tensor.name, *cut));
    planned.push_back(std::move(one));
  }
  return MakePlannedFile(std::move(planned), checkpoint, in_force.table.metadata);
}

// The digest of a file's first 8 + header length bytes.
Result<std::string> HeaderDigest(const VirtualFile& file) {
  std::array<std::byte, 8> prefix;
  SHARDFS_RETURN_IF_ERROR(file.ReadAt(0, prefix));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t extent, HeaderExtent(prefix, file.size()));
  std::string header(extent, '\0');
  SHARDFS_RETURN_IF_ERROR(file.ReadAt(0, std::as_writable_bytes(std::span(header))));
  return Sha256Hex(header);
}

JsonValue Count(std::uint64_t number) { return JsonValue::Number(std::to_string(number)); }

JsonValue Pair(const Interval& interval) { return JsonValue::Array({Count(interval.begin), Count(interval.end)}); }

}  // namespace

Result<std::vector<RankFile>> BuildRankFiles(const TableInForce& in_force, const Placement& placement,
                                             const CheckpointPtr& checkpoint) {
  SHARDFS_ASSIGN_OR_RETURN(const FileName name, FileName::Parse(in_force.table.file_name));
  const std::vector<RankPlace>& places = in_force.grids.ranks();
  std::vector<RankFile> files;
  std::unordered_map<std::string, std::size_t> known;
  for (const RankPlace& place : places) {
    const auto [file, is_new] = known.emplace(name.Of(place), files.size());
    if (is_new) files.push_back({file->first, {}, nullptr, ""});
    RankFile& one = files[file->second];
    one.ranks.push_back(place.rank);
    if (FilesAgree(placement, places[one.ranks.front()], place)) continue;
    return Refuse("file-clash",
                  fmt::format("{}: rank {} and rank {} differ", QuoteName(one.name), place.rank, one.ranks.front()));
  }
  std::vector<Status> outcomes(files.size());
  ParallelFor(files.size(), [&](std::size_t i) {
    outcomes[i] = [&]() -> Status {
      SHARDFS_ASSIGN_OR_RETURN(files[i].file,
                               BuildFile(in_force, placement, checkpoint, places[files[i].ranks.front()]));
      SHARDFS_ASSIGN_OR_RETURN(files[i].header_sha256, HeaderDigest(*files[i].file));
      return Status::Ok();
    }();
  });
  for (const Status& outcome : outcomes) SHARDFS_RETURN_IF_ERROR(outcome);
  return files;
}

std::string RankMapJson(const TableInForce& in_force, const std::vector<RankFile>& files) {
  const MeshSizes& sizes = in_force.grids.sizes();
  JsonValue mesh = JsonValue::Object({{"tp", Count(sizes.tp)},
                                      {"pp", Count(sizes.pp)},
                                      {"ep", Count(sizes.ep)},
                                      {"etp", Count(sizes.etp)},
                                      {"cp", Count(sizes.cp)},
                                      {"dp", Count(sizes.dp)},
                                      {"edp", Count(sizes.edp)},
                                      {"world", Count(sizes.world)}});
  std::vector<const RankFile*> file_of(sizes.world);
  for (const RankFile& file : files) {
    for (const std::uint32_t rank : file.ranks) file_of[rank] = &file;
  }
  std::vector<JsonValue> ranks;
  for (const RankPlace& place : in_force.grids.ranks()) {
    const RankFile& file = *file_of[place.rank];
    ranks.push_back(
        JsonValue::Object({{"rank", Count(place.rank)},
                           {"tp", Count(place.tp)},
                           {"cp", Count(place.cp)},
                           {"dp", Count(place.dp)},
                           {"pp", Count(place.pp)},
                           {"ep", Count(place.ep)},
                           {"etp", Count(place.etp)},
                           {"edp", Count(place.edp)},
                           {"file", JsonValue::String(file.name)},
                           {"layers", Pair(in_force.stages[place.pp])},
                           {"experts", in_force.experts.empty() ? JsonValue::Null() : Pair(in_force.experts[place.ep])},
                           {"tensors", Count(file.file->tensors().size())},
                           {"bytes", Count(file.file->size())},
                           {"header_sha256", JsonValue::String(file.header_sha256)}}));
  }
  return DumpPythonJson(JsonValue::Object({{"mesh", std::move(mesh)}, {"ranks", JsonValue::Array(std::move(ranks))}}),
                        {.indent = 1});
}

}  // namespace shardfs::rank_cut
