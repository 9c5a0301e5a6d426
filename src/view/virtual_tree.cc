#include "shardfs/view/virtual_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace shardfs {

const VirtualNode* VirtualTree::FindChild(NodeId parent, std::string_view name, NodeId* id) const {
  const std::vector<NodeId>& children = nodes_[parent].children;
  const auto at =
      std::lower_bound(children.begin(), children.end(), name,
                       [this](NodeId child, std::string_view wanted) { return nodes_[child].name < wanted; });
  if (at == children.end() || nodes_[*at].name != name) return nullptr;
  if (id != nullptr) *id = *at;
  return &nodes_[*at];
}

std::string VirtualTree::PathOf(NodeId id) const {
  std::string path;
  for (; id != kRootNode; id = nodes_[id].parent) {
    path = path.empty() ? nodes_[id].name : nodes_[id].name + "/" + path;
  }
  return path;
}

struct VirtualTreeBuilder::Draft {
  struct Entry {
    RankSet ranks;
    std::unique_ptr<const VirtualFile> file;  // null for a directory
    std::map<std::string, Entry, std::less<>> children;
  };
  Entry root;

  // The entry of the directory that `path` is in; `name` gets the last component.
  Result<Entry*> ParentOf(std::string_view path, std::string_view* name);
  Status Add(std::string_view path, RankSet ranks, std::unique_ptr<const VirtualFile> file);
};

namespace {

constexpr std::size_t kMaxNameBytes = 255;

bool IsValidName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= kMaxNameBytes &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

Result<VirtualTreeBuilder::Draft::Entry*> VirtualTreeBuilder::Draft::ParentOf(std::string_view path,
                                                                              std::string_view* name) {
  Entry* entry = &root;
  std::string_view rest = path;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    if (!IsValidName(component)) {
      return Status::InvalidArgument(fmt::format("\"{}\" is not a valid path: component \"{}\"", path, component));
    }
    if (slash == std::string_view::npos) {
      *name = component;
      return entry;
    }
    const auto child = entry->children.find(component);
    if (child == entry->children.end() || child->second.file != nullptr) {
      return Status::InvalidArgument(fmt::format("\"{}\" has no parent directory \"{}\"", path, component));
    }
    entry = &child->second;
    rest.remove_prefix(slash + 1);
  }
}

Status VirtualTreeBuilder::Draft::Add(std::string_view path, RankSet ranks, std::unique_ptr<const VirtualFile> file) {
  std::string_view name;
  SHARDFS_ASSIGN_OR_RETURN(Entry * parent, ParentOf(path, &name));
  Entry entry;
  entry.ranks = std::move(ranks);
  entry.file = std::move(file);
  if (!parent->children.emplace(std::string(name), std::move(entry)).second) {
    return Status::InvalidArgument(fmt::format("\"{}\" is in the tree already", path));
  }
  return Status::Ok();
}

VirtualTreeBuilder::VirtualTreeBuilder() : draft_(std::make_unique<Draft>()) {}
VirtualTreeBuilder::~VirtualTreeBuilder() = default;

Status VirtualTreeBuilder::AddDirectory(std::string_view path, RankSet ranks) {
  return draft_->Add(path, std::move(ranks), nullptr);
}

Status VirtualTreeBuilder::AddFile(std::string_view path, RankSet ranks, std::unique_ptr<const VirtualFile> file) {
  return draft_->Add(path, std::move(ranks), std::move(file));
}

std::shared_ptr<const VirtualTree> VirtualTreeBuilder::Build() && {
  auto tree = std::make_shared<VirtualTree>();
  std::vector<VirtualNode>& nodes = tree->nodes_;
  // Depth first, so that a directory's number is below those of all that is in it.
  const auto add = [&](const auto& self, std::string name, NodeId parent, Draft::Entry& entry) -> void {
    const NodeId id = static_cast<NodeId>(nodes.size());
    nodes.emplace_back();
    nodes[id].name = std::move(name);
    nodes[id].parent = parent;
    nodes[id].ranks = std::move(entry.ranks);
    nodes[id].file = std::move(entry.file);
    if (nodes[id].file != nullptr) {
      tree->total_file_bytes_ += nodes[id].file->size();
      ++tree->file_count_;
      return;
    }
    ++tree->directory_count_;
    for (auto& [child_name, child] : entry.children) {
      const NodeId child_id = static_cast<NodeId>(nodes.size());
      nodes[id].children.push_back(child_id);
      if (child.file == nullptr) ++nodes[id].subdirectories;
      self(self, child_name, id, child);
    }
  };
  add(add, "", kRootNode, draft_->root);
  // The root belongs to every rank that anything in it belongs to.
  RankSet all;
  for (const VirtualNode& node : nodes) {
    if (node.parent == kRootNode) {
      for (const std::uint32_t rank : node.ranks.ranks()) all.Insert(rank);
    }
  }
  nodes[kRootNode].ranks = std::move(all);
  return tree;
}

}  // namespace shardfs
