// The tables of the page that count bytes. Ranks that load the same stand in one row, and so do nodes.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "parallel/node_ranks.h"
#include "report/plan_html.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

// The beginning of a section with one table: its headings are (class, text) and stand above the columns.
std::string BeginTable(std::string_view id, const Text& title, const std::string& before, std::string_view table,
                       const Text& caption, const std::vector<std::pair<std::string_view, Text>>& headings,
                       Language language) {
  std::string text = fmt::format(
      "<section><h2 id=\"{0}\">{1}</h2>\n{2}<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{0}\">"
      "<table id=\"{3}\"><caption>{4}</caption>\n<thead><tr>",
      id, title.In(language), before, table, caption.In(language));
  for (const auto& [style, heading] : headings) {
    text += fmt::format("<th scope=\"col\" class=\"{}\">{}</th>", style, heading.In(language));
  }
  return text + "</tr></thead>\n<tbody>\n";
}

// A bar of the classes, as long as `bytes` is of `longest`. The numbers stand beside it, so it is silent.
std::string ClassBar(const ClassBytes& classes, std::uint64_t longest) {
  std::string bar = "<td class=\"bar\" aria-hidden=\"true\"><div>";
  for (std::size_t c = 0; c < kWeightClasses; ++c) {
    const double width = Percent(classes[c], longest);
    if (width >= 0.05) bar += fmt::format("<i class=\"c{}\" style=\"width:{:.2f}%\"></i>", c, width);
  }
  return bar + "</div></td>";
}

std::string Legend(Language language) {
  std::string text = fmt::format("<ul class=\"legend\" aria-label=\"{}\">", Tr("Colours of the bars").In(language));
  for (std::size_t c = 0; c < kWeightClasses; ++c) {
    text +=
        fmt::format("<li><i class=\"c{}\"></i>{}</li>", c, WeightClassName(static_cast<WeightClass>(c)).In(language));
  }
  return text + "</ul>\n";
}

std::uint64_t Sum(const ClassBytes& classes) {
  return std::accumulate(classes.begin(), classes.end(), std::uint64_t{0});
}

// Ranks that load the same of each kind, in order of the first.
struct RankGroup {
  const RankPicture* first = nullptr;
  std::vector<std::uint32_t> ranks;
  std::vector<std::uint32_t> nodes;  // theirs
};

std::vector<RankGroup> FoldRanks(const PlanPicture& picture) {
  std::vector<RankGroup> groups;
  std::map<std::pair<std::uint64_t, ClassBytes>, std::size_t> places;
  for (const RankPicture& rank : picture.ranks) {
    const auto [place, is_new] = places.try_emplace({rank.bytes, rank.by_class}, groups.size());
    if (is_new) groups.push_back({&rank, {}, {}});
    groups[place->second].ranks.push_back(rank.rank);
    groups[place->second].nodes.push_back(rank.node);
  }
  return groups;
}

}  // namespace

std::string RankSection(const PlanPicture& picture, Language language) {
  std::uint64_t longest = 0;
  for (const RankPicture& rank : picture.ranks) longest = std::max(longest, rank.bytes);
  std::string text = BeginTable("ranks", Tr("What each rank loads"), Legend(language), "rank-bytes",
                                Tr("Bytes of all files that a rank loads; ranks that load the same stand in one row"),
                                {{"num", Tr("Ranks")},
                                 {"num", Tr("Nodes")},
                                 {"num extra", Tr("Number")},
                                 {"bar", Tr("By kind")},
                                 {"num", Tr("Each")},
                                 {"num exact", Tr("Bytes")}},
                                language);
  for (const RankGroup& group : FoldRanks(picture)) {
    const RankPicture& rank = *group.first;
    const std::string ranks = FormatRanks(RankSet(group.ranks));
    text += fmt::format(
        "<tr data-ranks=\"{0}\"><th scope=\"row\" class=\"num\">{0}</th><td class=\"num\">{1}</td><td class=\"num "
        "extra\">{2}</td>{3}{4}</tr>\n",
        ranks, FormatRanks(RankSet(group.nodes)), group.ranks.size(), ClassBar(rank.by_class, longest),
        ByteCells(rank.bytes));
  }
  return text + "</tbody></table></div></section>\n";
}

std::string NodeSection(const PlanReport& report, Language language) {
  std::uint64_t longest = 0;
  for (const PlanNode& node : report.nodes) longest = std::max(longest, node.bytes);
  const std::string before = fmt::format(
      "<p>{}</p>\n",
      Tr("The files of a node’s ranks, each once. A tmpfs wants a little more: it counts in pages.").In(language));
  std::string text =
      BeginTable("nodes", Tr("How much tmpfs each node needs"), before, "node-bytes", Tr("Files by node"),
                 {{"num", Tr("Node")},
                  {"", Tr("Ranks")},
                  {"num", Tr("Files")},
                  {"bar", Tr("Share")},
                  {"num", Tr("Size")},
                  {"num exact", Tr("Bytes")}},
                 language);
  for (std::size_t i = 0; i < report.nodes.size(); ++i) {
    const PlanNode& node = report.nodes[i];
    text += fmt::format(
        "<tr data-ranks=\"{1}\"><th scope=\"row\" class=\"num\">{0}</th><td>{1}</td><td class=\"num\">{2}</td><td "
        "class=\"bar\" aria-hidden=\"true\"><div><i class=\"c2\" style=\"width:{3:.2f}%\"></i></div></td>{4}</tr>\n",
        i, FormatRanks(node.ranks), node.files, Percent(node.bytes, longest), ByteCells(node.bytes));
  }
  return text + "</tbody></table></div></section>\n";
}

// Compares what the ranks load of each kind with what the source has of it, or the transforms have made of it: the
// first copy, and more of the same.
std::string ReplicationSection(const PlanPicture& picture, bool is_transformed, Language language) {
  const std::uint64_t longest = *std::max_element(picture.loaded.begin(), picture.loaded.end());
  const std::string before = fmt::format(
      "<p>{}</p>\n<ul class=\"legend\" aria-label=\"{}\"><li><i class=\"first\"></i>{}</li><li><i "
      "class=\"again\"></i>{}</li></ul>\n",
      Tr("What is split is loaded once by all ranks together; what is replicated, by several of them. Headers, padding "
         "and other types than the source’s make small differences; source tensors that no file is made of do not "
         "count here.")
          .In(language),
      Tr("Colours of the bars").In(language), Tr("as many bytes as the source has").In(language),
      Tr("replicated").In(language));
  std::string text = BeginTable("copies", Tr("Split and replicated"), before, "class-bytes",
                                Tr("Loads of all ranks together, by kind"),
                                {{"", Tr("Kind")},
                                 {"num extra", is_transformed ? Tr("After the transforms") : Tr("In the source")},
                                 {"num extra", Tr("In the files")},
                                 {"bar", Tr("Loaded")},
                                 {"num", Tr("Loaded")},
                                 {"num exact", Tr("Bytes")},
                                 {"num", Tr("Replicated")},
                                 {"num", is_transformed ? Tr("Times that") : Tr("Times the source")}},
                                language);
  const auto row = [&](const Text& name, std::uint64_t source, std::uint64_t once, std::uint64_t loaded) {
    const bool has_source = source > 0;
    const std::uint64_t first = has_source ? std::min(source, loaded) : loaded;
    text += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"num extra\">{}</td><td class=\"num extra\">{}</td><td class=\"bar\" "
        "aria-hidden=\"true\"><div><i class=\"first\" style=\"width:{:.2f}%\"></i><i class=\"again\" "
        "style=\"width:{:.2f}%\"></i></div></td>{}<td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
        name.In(language), FormatBytes(source), FormatBytes(once), Percent(first, longest),
        Percent(loaded - first, longest), ByteCells(loaded), has_source ? FormatBytes(loaded - first) : "–",
        !has_source ? "–" : fmt::format("{:.2f}", Percent(loaded, source) / 100));
  };
  std::uint64_t replicated = 0;
  for (std::size_t c = 0; c < kWeightClasses; ++c) {
    if (picture.loaded[c] + picture.source[c] == 0) continue;
    row(WeightClassName(static_cast<WeightClass>(c)), picture.source[c], picture.once[c], picture.loaded[c]);
    if (picture.source[c] > 0) replicated += picture.loaded[c] - std::min(picture.source[c], picture.loaded[c]);
  }
  text += fmt::format(
      "</tbody>\n<tfoot><tr><th scope=\"row\">{}</th><td class=\"num extra\">{}</td><td class=\"num extra\">{}</td><td "
      "class=\"bar\"></td>{}<td class=\"num\">{}</td><td "
      "class=\"num\">{:.2f}</td></tr></tfoot></table></div></section>\n",
      Tr("all").In(language), FormatBytes(Sum(picture.source)), FormatBytes(Sum(picture.once)),
      ByteCells(Sum(picture.loaded)), FormatBytes(replicated), Percent(Sum(picture.loaded), Sum(picture.source)) / 100);
  return text;
}

}  // namespace shardfs
