#include "report/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/escape_controls.h"
#include "parallel/node_ranks.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

using Interval = std::pair<std::uint64_t, std::uint64_t>;  // [first, second)

std::uint64_t CoveredBytes(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end());
  std::uint64_t covered = 0;
  std::uint64_t end = 0;
  for (const auto& [begin, stop] : intervals) {
    if (stop > end) covered += stop - std::max(begin, end);
    end = std::max(end, stop);
  }
  return covered;
}

std::vector<SourceShare> SharesOf(const VirtualFile& file) {
  static_cast<void>(file.tensors());  // has a file made that is not until it is read, and knows only then what it takes
  std::vector<const ByteSource*> order;
  std::map<const ByteSource*, std::vector<Interval>> ranges;
  file.VisitSources(0, file.size(), [&](const SourceSpan& span) {
    auto [place, is_new] = ranges.try_emplace(span.source);
    if (is_new) order.push_back(span.source);
    place->second.emplace_back(span.offset, span.offset + span.size);
  });
  std::vector<SourceShare> shares;
  for (const ByteSource* source : order) {
    shares.push_back({std::string(source->name()), CoveredBytes(std::move(ranges[source]))});
  }
  return shares;
}

std::vector<IgnoredGroup> GroupIgnored(const BuiltView& view) {
  std::vector<IgnoredGroup> groups;
  for (const IgnoredTensor& tensor : view.view.ignored) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&tensor](const IgnoredGroup& known) { return known.reason == tensor.reason; });
    if (group == groups.end()) group = groups.insert(groups.end(), IgnoredGroup{tensor.reason, 0, {}});
    group->names.push_back(tensor.name);
    group->bytes += tensor.bytes;
  }
  return groups;
}

double Ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// --- for people ---

// Columns on a terminal, if every character takes one: the bytes that do not continue a UTF-8 sequence.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// "1 file", "2 files"
std::string Count(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

// Sizes as a column: "1.23 MB    1234567 bytes", all as wide as that of `largest`.
class SizeColumn {
 public:
  explicit SizeColumn(std::uint64_t largest) : digits_(std::to_string(largest).size()) {}
  std::string operator()(std::uint64_t bytes) const {
    return fmt::format("{:>7}  {:>{}} bytes", FormatBytes(bytes), bytes, digits_);
  }

 private:
  std::size_t digits_;
};

struct TreeLine {
  std::string name;   // with the branches before it
  std::string sizes;  // what follows, aligned; empty for a line of text only
};

class TreePrinter {
 public:
  TreePrinter(const VirtualTree& tree, const PlanReport& report)
      : tree_(tree), report_(report), column_(tree.total_file_bytes()) {}

  std::string Print() {
    AddNode(kRootNode, "", "");
    std::size_t widest = 0;
    for (const TreeLine& line : lines_) {
      if (!line.sizes.empty()) widest = std::max(widest, Width(line.name));
    }
    std::string text;
    for (const TreeLine& line : lines_) {
      text += line.name;
      if (!line.sizes.empty()) text += std::string(widest - Width(line.name) + 2, ' ') + line.sizes;
      text += '\n';
    }
    return text;
  }

 private:
  // `branch` stands before the node's own name, `below` before all that is in it.
  void AddNode(NodeId id, const std::string& branch, const std::string& below) {
    const VirtualNode& node = tree_.node(id);
    const PlanEntry& entry = report_.entries[id];
    const std::string name = id == kRootNode ? "." : EscapeControls(node.name) + (node.is_directory() ? "/" : "");
    lines_.push_back({branch + name, fmt::format("{}  {}", column_(entry.bytes), Loaders(node.ranks))});
    // What a source file that is shown as it is comes from, its name says.
    if (!entry.sources.empty() && !node.file->tensors().empty()) {
      lines_.push_back({below + "    " + Made(node, entry), ""});
    }
    for (const NodeId child : node.children) {
      const bool last = child == node.children.back();
      AddNode(child, below + (last ? "└── " : "├── "), below + (last ? "    " : "│   "));
    }
  }

  // "53 tensors from model-00001-of-00002.safetensors (12.3 MB), model-00002-of-00002.safetensors (1.00 MB)"
  static std::string Made(const VirtualNode& node, const PlanEntry& entry) {
    constexpr std::size_t kShown = 4;
    std::string text = Count(node.file->tensor_count(), "tensor") + " from ";
    for (std::size_t i = 0; i < std::min(kShown, entry.sources.size()); ++i) {
      text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", EscapeControls(entry.sources[i].file),
                          FormatBytes(entry.sources[i].bytes));
    }
    if (entry.sources.size() > kShown) text += fmt::format(" and {} more", entry.sources.size() - kShown);
    return text;
  }

  static std::string Loaders(const RankSet& ranks) {
    return (ranks.ranks().size() == 1 ? "rank " : "ranks ") + FormatRanks(ranks);
  }

  const VirtualTree& tree_;
  const PlanReport& report_;
  const SizeColumn column_;
  std::vector<TreeLine> lines_;
};

std::string FormatLoads(const PlanReport& report, const SizeColumn& column) {
  std::string text = "\nWhat each rank loads\n";
  for (std::uint32_t node = 0; node < report.nodes.size(); ++node) {
    for (const std::uint32_t rank : report.nodes[node].ranks.ranks()) {
      text += fmt::format("  rank {:>4}  node {:>3}  {}\n", rank, node, column(report.rank_bytes[rank]));
    }
  }
  text += "\nWhat each node needs, each file once\n";
  for (std::uint32_t node = 0; node < report.nodes.size(); ++node) {
    const PlanNode& row = report.nodes[node];
    text += fmt::format("  node {:>4}  {:>8}  {}  in {}\n", node, FormatRanks(row.ranks), column(row.bytes),
                        Count(row.files, "file"));
  }
  return text;
}

std::string FormatTotals(const BuiltView& view, const PlanReport& report, const SizeColumn& column) {
  const VirtualTree& tree = *view.view.tree;
  const std::uint64_t source = view.checkpoint->stored_bytes();
  std::string text = "\nTotals\n";
  text +=
      fmt::format("  source tensors    {}  {} in {}\n", column(source),
                  Count(view.checkpoint->stored_tensors(), "tensor"), Count(view.checkpoint->sources().files().size(), "file"));
  text += fmt::format("  all files once    {}  {}; {:.3f} times the source\n", column(tree.total_file_bytes()),
                      Count(tree.file_count(), "file"), Ratio(tree.total_file_bytes(), source));
  text += fmt::format("  all ranks' loads  {}  {:.3f} times the source\n", column(report.loaded_bytes),
                      Ratio(report.loaded_bytes, source));
  return text;
}

std::string FormatIgnored(const PlanReport& report) {
  if (report.ignored.empty()) return "\nIgnored source tensors: none\n";
  constexpr std::size_t kShown = 5;
  std::string text = "\nIgnored source tensors\n";
  for (const IgnoredGroup& group : report.ignored) {
    text += fmt::format("  {} ({}): {}\n", group.names.size(), FormatBytes(group.bytes), group.reason);
    for (std::size_t i = 0; i < std::min(kShown, group.names.size()); ++i)
      text += "    " + EscapeControls(group.names[i]) + "\n";
    if (group.names.size() > kShown) text += fmt::format("    and {} more\n", group.names.size() - kShown);
  }
  return text;
}

// --- for programs ---

nlohmann::ordered_json EntryToJson(const VirtualTree& tree, const PlanEntry& entry) {
  const VirtualNode& node = tree.node(entry.node);
  nlohmann::ordered_json json = {{"path", tree.PathOf(entry.node)}};
  json["type"] = node.is_directory() ? "directory" : "file";
  json["bytes"] = entry.bytes;
  json["ranks"] = node.ranks.ranks();
  if (node.is_directory()) return json;
  json["kind"] = FileKindName(node.file->kind());
  json["tensors"] = node.file->tensor_count();
  if (!entry.sources.empty()) {
    for (const SourceShare& share : entry.sources) {
      json["sources"].push_back({{"file", share.file}, {"bytes", share.bytes}});
    }
  }
  return json;
}

}  // namespace

Result<PlanReport> MakePlanReport(const BuiltView& view, std::uint32_t nodes, bool with_sources) {
  const VirtualTree& tree = *view.view.tree;
  const std::uint32_t world_size = view.view.world_size;
  PlanReport report;
  report.rank_bytes.resize(world_size);
  for (std::uint32_t node = 0; node < std::max(nodes, 1u); ++node) {
    SHARDFS_ASSIGN_OR_RETURN(RankSet ranks, RanksOfNode(world_size, nodes, node));
    report.nodes.push_back({std::move(ranks), 0, 0});
  }
  report.entries.resize(tree.size());
  for (NodeId id = 0; id < tree.size(); ++id) {
    const VirtualNode& node = tree.node(id);
    report.entries[id].node = id;
    if (node.is_directory()) continue;
    const std::uint64_t bytes = node.file->size();
    report.entries[id].bytes = bytes;
    if (with_sources) report.entries[id].sources = SharesOf(*node.file);
    for (NodeId up = node.parent;; up = tree.node(up).parent) {
      report.entries[up].bytes += bytes;
      if (up == kRootNode) break;
    }
    for (const std::uint32_t rank : node.ranks.ranks()) report.rank_bytes[rank] += bytes;
    for (PlanNode& row : report.nodes) {
      if (!row.ranks.Intersects(node.ranks)) continue;
      row.bytes += bytes;
      ++row.files;
    }
  }
  for (const std::uint64_t bytes : report.rank_bytes) report.loaded_bytes += bytes;
  report.ignored = GroupIgnored(view);
  return report;
}

std::string FormatPlan(const BuiltView& view, const PlanReport& report) {
  const VirtualTree& tree = *view.view.tree;
  const SizeColumn column(
      std::max({report.loaded_bytes, tree.total_file_bytes(), view.checkpoint->stored_bytes()}));
  std::string text = view.view.summary + "\n";
  for (const std::string& sentence : view.checkpoint->account()) text += EscapeControls(sentence) + "\n";
  for (const std::string& sentence : view.view.account) text += EscapeControls(sentence) + "\n";
  for (const AppliedTransform& transform : view.checkpoint->transforms()) {
    text += fmt::format("after {}: {}\n", transform.name, transform.account);
  }
  return text + "\n" + TreePrinter(tree, report).Print() + FormatLoads(report, column) +
         FormatTotals(view, report, column) + FormatIgnored(report);
}

nlohmann::ordered_json PlanToJson(const BuiltView& view, const PlanReport& report) {
  const VirtualTree& tree = *view.view.tree;
  const auto empty = nlohmann::ordered_json::array();
  nlohmann::ordered_json json = {{"source", view.checkpoint->path()},
                                 {"summary", view.view.summary},
                                 {"world_size", view.view.world_size},
                                 {"source_files", view.checkpoint->sources().files().size()},
                                 {"source_tensors", view.checkpoint->stored_tensors()},
                                 {"source_bytes", view.checkpoint->stored_bytes()},
                                 {"files", tree.file_count()},
                                 {"directories", tree.directory_count()},
                                 {"bytes", tree.total_file_bytes()},
                                 {"loaded_bytes", report.loaded_bytes},
                                 {"recognised", empty},
                                 {"account", empty},
                                 {"entries", empty},
                                 {"ranks", empty},
                                 {"nodes", empty},
                                 {"ignored", empty},
                                 {"transforms", empty},
                                 {"warnings", empty}};
  for (const std::string& sentence : view.checkpoint->account()) json["recognised"].push_back(sentence);
  for (const std::string& sentence : view.view.account) json["account"].push_back(sentence);
  for (const PlanEntry& entry : report.entries) json["entries"].push_back(EntryToJson(tree, entry));
  for (std::uint32_t node = 0; node < report.nodes.size(); ++node) {
    const PlanNode& row = report.nodes[node];
    json["nodes"].push_back({{"node", node}, {"ranks", row.ranks.ranks()}, {"files", row.files}, {"bytes", row.bytes}});
    for (const std::uint32_t rank : row.ranks.ranks()) {
      json["ranks"].push_back({{"rank", rank}, {"node", node}, {"bytes", report.rank_bytes[rank]}});
    }
  }
  for (const IgnoredGroup& group : report.ignored) {
    json["ignored"].push_back(
        {{"reason", group.reason}, {"count", group.names.size()}, {"bytes", group.bytes}, {"names", group.names}});
  }
  for (const AppliedTransform& transform : view.checkpoint->transforms()) {
    json["transforms"].push_back({{"name", transform.name}, {"account", transform.account}});
  }
  for (const std::string& warning : view.checkpoint->warnings()) json["warnings"].push_back(warning);
  for (const std::string& warning : view.view.warnings) json["warnings"].push_back(warning);
  return json;
}

}  // namespace shardfs
