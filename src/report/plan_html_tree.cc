// The tree of the page: folders as <details>, so that it folds without a script. Many neighbours whose names differ in
// their numbers alone (the folders of ranks, the shards of a checkpoint) fold into one line.
#include <fmt/format.h>

#include <span>

#include "parallel/node_ranks.h"
#include "report/plan_html.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

constexpr std::size_t kMostAlike = 8;  // neighbours that stand one by one

// "model-attn-tp-003" as "model-attn-tp-#"
std::string Alike(const VirtualNode& node) {
  std::string name = node.is_directory() ? "/" : "";
  for (const char c : node.name) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit) name += c;
    if (is_digit && (name.empty() || name.back() != '#')) name += '#';
  }
  return name;
}

class TreeWriter {
 public:
  TreeWriter(const VirtualTree& tree, const PlanReport& report, Language language)
      : tree_(tree), report_(report), language_(language) {}

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
      text_ += fmt::format("<li class=\"row\" data-ranks=\"{}\">{}</li>\n", FormatRanks(node.ranks), line);
      return;
    }
    text_ += fmt::format("<li><details{}><summary class=\"row\" data-ranks=\"{}\">{}</summary>\n<ul>\n",
                         id == kRootNode ? " open" : "", FormatRanks(node.ranks), line);
    AddChildren(node.children);
    text_ += "</ul></details></li>\n";
  }

  void AddChildren(std::span<const NodeId> children) {
    for (std::size_t begin = 0; begin < children.size();) {
      const std::string alike = Alike(tree_.node(children[begin]));
      std::size_t end = begin + 1;
      while (end < children.size() && Alike(tree_.node(children[end])) == alike) ++end;
      const auto run = children.subspan(begin, end - begin);
      if (run.size() > kMostAlike) {
        AddRun(run);
      } else {
        for (const NodeId child : run) AddNode(child);
      }
      begin = end;
    }
  }

  void AddRun(std::span<const NodeId> run) {
    std::uint64_t bytes = 0;
    std::vector<std::uint32_t> ranks;
    for (const NodeId id : run) {
      bytes += report_.entries[id].bytes;
      const auto& own = tree_.node(id).ranks.ranks();
      ranks.insert(ranks.end(), own.begin(), own.end());
    }
    const RankSet all(std::move(ranks));
    const std::string end = tree_.node(run[0]).is_directory() ? "/" : "";
    const Text what =
        Tr("{} … {} ({} alike)", tree_.node(run.front()).name + end, tree_.node(run.back()).name + end, run.size());
    text_ += fmt::format("<li><details class=\"alike\"><summary class=\"row\" data-ranks=\"{}\">{}</summary>\n<ul>\n",
                         FormatRanks(all), Cells(EscapeHtml(what.In(language_)), 0, all, bytes));
    for (const NodeId id : run) AddNode(id);
    text_ += "</ul></details></li>\n";
  }

  std::string Line(NodeId id) const {
    const VirtualNode& node = tree_.node(id);
    const std::string name = id == kRootNode ? Tr("(the directory)").In(language_)
                                             : EscapeHtml(node.name) + (node.is_directory() ? "/" : "");
    const std::size_t tensors = node.is_directory() ? 0 : node.file->tensor_count();
    return Cells(name, tensors, node.ranks, report_.entries[id].bytes);
  }

  std::string Cells(const std::string& name, std::size_t tensors, const RankSet& ranks, std::uint64_t bytes) const {
    const std::string text = FormatRanks(ranks);
    Text who = ranks.ranks().size() == 1 ? Tr("rank {}", text) : Tr("ranks {}", text);
    if (tensors > 0) who = Tr("{} tensors, {}", tensors, who);
    return fmt::format(
        "<span class=\"name\">{}</span><span class=\"who\">{}</span><span class=\"num\" title=\"{}\">{}</span>", name,
        who.In(language_), Tr("{} bytes", bytes).In(language_), FormatBytes(bytes));
  }

  const VirtualTree& tree_;
  const PlanReport& report_;
  const Language language_;
  std::string text_;
};

}  // namespace

std::string FormatTreeHtml(const VirtualTree& tree, const PlanReport& report, Language language) {
  return TreeWriter(tree, report, language).Write();
}

}  // namespace shardfs
