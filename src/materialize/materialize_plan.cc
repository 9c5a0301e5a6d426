#include "shardfs/materialize/materialize_plan.h"

#include <utility>

#include "materialize/destination_check.h"

namespace shardfs {
namespace {

// Which nodes are to be written, by node number. A node's directories are written with it, whoever needs them.
std::vector<bool> SelectNodes(const VirtualTree& tree, const std::optional<RankSet>& ranks) {
  std::vector<bool> selected(tree.size(), !ranks.has_value());
  selected[kRootNode] = true;
  if (!ranks) return selected;
  for (NodeId id = 1; id < tree.size(); ++id) {
    if (!tree.node(id).ranks.Intersects(*ranks)) continue;
    for (NodeId up = id; !selected[up]; up = tree.node(up).parent) selected[up] = true;
  }
  return selected;
}

}  // namespace

Result<MaterializePlan> MaterializePlan::Create(std::shared_ptr<const VirtualTree> tree,
                                                const std::optional<RankSet>& ranks, const std::string& source,
                                                const std::string& destination) {
  SHARDFS_ASSIGN_OR_RETURN(Destination checked, CheckDestination(destination, source));

  MaterializePlan plan;
  const std::vector<bool> selected = SelectNodes(*tree, ranks);
  std::vector<std::uint64_t> sizes;
  for (NodeId id = 1; id < tree->size(); ++id) {
    if (!selected[id]) continue;
    const VirtualNode& node = tree->node(id);
    if (node.is_directory()) {
      plan.directories_.push_back(tree->PathOf(id));
    } else {
      plan.files_.push_back({tree->PathOf(id), node.file.get()});
      sizes.push_back(node.file->size());
      plan.total_bytes_ += node.file->size();
    }
  }
  SHARDFS_RETURN_IF_ERROR(CheckRoom(checked.existing, {sizes, plan.directories_.size() + 1}));

  plan.tree_ = std::move(tree);
  plan.destination_ = std::move(checked.path);
  plan.destination_exists_ = checked.exists;
  return plan;
}

}  // namespace shardfs
