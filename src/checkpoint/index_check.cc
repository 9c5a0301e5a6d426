// An index is held against the headers in one pass, as both ascend by tensor: a tensor of the one alone, or in another
// file than the index says, is counted under the kind of defect and the file. So the defects are at most a few times
// the files, however many tensors disagree.
#include "checkpoint/index_check.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

namespace shardfs {
namespace {

class DefectCounter {
 public:
  void Count(IndexDefect::Kind kind, std::string_view file, std::string_view tensor, std::string_view holder = {}) {
    auto [at, is_new] = defects_.try_emplace({kind, file});
    if (is_new) at->second = {kind, std::string(file), 0, std::string(tensor), std::string(holder)};
    ++at->second.tensors;
  }

  std::vector<IndexDefect> Take() {
    std::vector<IndexDefect> defects;
    for (auto& [key, defect] : defects_) defects.push_back(std::move(defect));
    return defects;
  }

 private:
  std::map<std::pair<IndexDefect::Kind, std::string_view>, IndexDefect> defects_;
};

// The files ascending, and the mappings' numbers changed accordingly.
std::vector<std::string> SortFiles(std::vector<std::string> files, std::vector<CheckedIndex::Mapping>& mappings) {
  std::vector<std::uint32_t> order(files.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return files[a] < files[b]; });
  std::vector<std::string> sorted;
  std::vector<std::uint32_t> place(files.size());
  for (const std::uint32_t number : order) {
    place[number] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(std::move(files[number]));
  }
  for (CheckedIndex::Mapping& mapping : mappings) mapping.file = place[mapping.file];
  return sorted;
}

}  // namespace

CheckedIndex CheckIndex(std::string name, CheckpointIndex index, std::span<const TensorInfo> tensors,
                        std::span<const std::string> shards) {
  using Kind = IndexDefect::Kind;
  CheckedIndex checked;
  DefectCounter counter;
  std::vector<bool> is_there(index.files.size());
  for (std::size_t i = 0; i < index.files.size(); ++i) {
    is_there[i] = std::binary_search(shards.begin(), shards.end(), index.files[i]);
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> keys;  // position in the map, and tensor
  keys.reserve(std::min(index.weight_map.size(), tensors.size()));
  std::size_t lost = 0;  // entries of the map, moved to its begin: the map can be as large as memory allows
  auto tensor = tensors.begin();
  const auto pass_over = [&] {
    counter.Count(Kind::kNotMapped, tensor->source->name(), tensor->name);
    ++tensor;
  };
  for (CheckpointIndex::Entry& entry : index.weight_map) {
    while (tensor != tensors.end() && tensor->name < entry.tensor) pass_over();
    const std::string& file = index.files[entry.file];
    if (!is_there[entry.file]) counter.Count(Kind::kMissingFile, file, entry.tensor);
    if (tensor == tensors.end() || tensor->name != entry.tensor) {
      counter.Count(Kind::kNoSuchTensor, file, entry.tensor);
      std::swap(index.weight_map[lost++], entry);
      continue;
    }
    const std::string& holder = tensor->source->name();
    if (is_there[entry.file] && holder != file) counter.Count(Kind::kOtherFile, file, entry.tensor, holder);
    if (holder == file) {
      keys.emplace_back(entry.position, static_cast<std::uint32_t>(tensor - tensors.begin()));
    }
    ++tensor;
  }
  while (tensor != tensors.end()) pass_over();
  checked.name = std::move(name);
  std::sort(keys.begin(), keys.end());
  checked.order.reserve(keys.size());
  for (const auto& [position, number] : keys) checked.order.push_back(number);
  checked.defects = counter.Take();
  index.weight_map.resize(lost);
  index.weight_map.shrink_to_fit();
  checked.lost = std::move(index.weight_map);
  checked.files = SortFiles(std::move(index.files), checked.lost);
  return checked;
}

}  // namespace shardfs
