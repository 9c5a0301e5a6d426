#include "view/tree_sources.h"

#include <unordered_set>
#include <utility>

namespace shardfs {

std::vector<const ByteSource*> SourcesOf(const VirtualTree& tree, bool only_passthrough) {
  std::unordered_set<const ByteSource*> found;
  const ByteSource* last = nullptr;
  const auto add = [&](const SourceSpan& span) {
    if (std::exchange(last, span.source) != span.source) found.insert(span.source);
  };
  for (const VirtualNode& node : tree.nodes()) {
    if (node.is_directory() || (only_passthrough && node.file->kind() != FileKind::kPassthrough)) continue;
    node.file->VisitSources(0, node.file->size(), add);
  }
  return {found.begin(), found.end()};
}

}  // namespace shardfs
