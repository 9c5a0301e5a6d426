#include "checkpoint/merge_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "checkpoint/defect_list.h"

namespace shardfs {
namespace {

// How many tensors two files share, and the first of them.
struct Shared {
  std::size_t count = 0;
  std::string_view example;
};
using FilePair = std::pair<std::string_view, std::string_view>;

// Which file to move away: an index that names the one of two files and not the other says so.
std::string WayOut(const std::map<FilePair, Shared>& twice, std::span<const NamedIndex> indices) {
  std::set<std::string_view> named;
  for (const NamedIndex& one : indices) named.insert(one.index.files.begin(), one.index.files.end());
  std::set<std::string_view> extra;
  for (const auto& [files, shared] : twice) {
    if (named.contains(files.first) == named.contains(files.second)) continue;
    extra.insert(named.contains(files.first) ? files.second : files.first);
  }
  if (extra.empty()) {
    return "every *.safetensors file of the directory counts: move those that are no part of the model elsewhere";
  }
  const std::size_t others = extra.size() - 1;
  const std::string unnamed =
      indices.size() == 1 ? QuoteName(indices.front().name) + " does not name" : std::string("no index names");
  return fmt::format("every *.safetensors file counts, and {} {}{}: move {} elsewhere", unnamed,
                     QuoteName(*extra.begin()), others == 0 ? "" : fmt::format(" and {} more of these", others),
                     others == 0 ? "it" : "them");
}

// `tensors` ascend by name, and those of one name by file.
Status CheckUnique(std::span<const TensorInfo> tensors, std::span<const NamedIndex> indices) {
  std::map<FilePair, Shared> twice;
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].name != tensors[i - 1].name) continue;
    Shared& shared = twice[{tensors[i - 1].source->name(), tensors[i].source->name()}];
    if (shared.count++ == 0) shared.example = tensors[i].name;
  }
  if (twice.empty()) return Status::Ok();
  DefectList defects;
  for (const auto& [files, shared] : twice) {
    const std::size_t others = shared.count - 1;
    defects.Add(fmt::format("tensor {} stands in {} and in {}{}", QuoteName(shared.example), QuoteName(files.first),
                            QuoteName(files.second),
                            others == 0 ? "" : fmt::format(", as {} {} more", others == 1 ? "does" : "do", others)));
  }
  // The code is one of those that programs may look for. Source: spec/rank-cuts.md, section 4.
  return Status::Corruption(fmt::format("duplicate-name: {}; {}", defects.text(), WayOut(twice, indices)));
}

}  // namespace

Result<std::vector<TensorInfo>> MergeTensors(std::vector<Shard>& shards, std::span<const NamedIndex> indices) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(
      std::accumulate(shards.begin(), shards.end(), std::size_t{0},
                      [](std::size_t sum, const Shard& shard) { return sum + shard.header.tensors.size(); }));
  for (Shard& shard : shards) {
    for (HeaderTensor& tensor : shard.header.tensors) {
      tensors.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape), shard.file.get(),
                         shard.header.data_offset + tensor.begin, tensor.end - tensor.begin});
    }
    shard.header.tensors = {};
  }
  ParallelSort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    if (const int order = a.name.compare(b.name); order != 0) return order < 0;
    return a.source->name() < b.source->name();
  });
  SHARDFS_RETURN_IF_ERROR(CheckUnique(tensors, indices));
  return tensors;
}

}  // namespace shardfs
