// The tree of the page: folders as <details>, so that it folds without a script.
#include <fmt/format.h>

#include "parallel/node_ranks.h"
#include "report/plan_html.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

class TreeWriter {
 public:
  TreeWriter(const VirtualTree& tree, const PlanReport& report) : tree_(tree), report_(report) {}

  std::string Write() {
    text_ += "<ul class=\"tree\">\n";
    AddNode(kRootNode);
    return text_ + "</ul>\n";
  }

 private:
  void AddNode(NodeId id) {
    const VirtualNode& node = tree_.node(id);
    const std::string line = Line(id);
    if (!node.is_directory()) {
      text_ += "<li class=\"row\">" + line + "</li>\n";
      return;
    }
    text_ +=
        fmt::format("<li><details{}><summary class=\"row\">{}</summary>\n<ul>\n", id == kRootNode ? " open" : "", line);
    for (const NodeId child : node.children) AddNode(child);
    text_ += "</ul></details></li>\n";
  }

  std::string Line(NodeId id) const {
    const VirtualNode& node = tree_.node(id);
    const std::string name =
        id == kRootNode ? "(the directory)" : EscapeHtml(node.name) + (node.is_directory() ? "/" : "");
    const bool one = node.ranks.ranks().size() == 1;
    const std::size_t tensors = node.is_directory() ? 0 : node.file->tensor_count();
    return fmt::format(
        "<span class=\"name\">{}</span><span class=\"who\">{}{} {}</span><span class=\"num\" title=\"{} "
        "bytes\">{}</span>",
        name, tensors > 0 ? fmt::format("{} tensors, ", tensors) : "", one ? "rank" : "ranks", FormatRanks(node.ranks),
        report_.entries[id].bytes, FormatBytes(report_.entries[id].bytes));
  }

  const VirtualTree& tree_;
  const PlanReport& report_;
  std::string text_;
};

}  // namespace

std::string FormatTreeHtml(const VirtualTree& tree, const PlanReport& report) {
  return TreeWriter(tree, report).Write();
}

}  // namespace shardfs
