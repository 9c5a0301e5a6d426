// The tables of the page that say where each rank stands and which part of a layer it holds. Ranks that hold the same
// parts stand in one row; many rows fold.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "parallel/node_ranks.h"
#include "report/plan_html.h"

namespace shardfs {
namespace {

constexpr std::size_t kOpenRows = 32;  // a table of more is closed until it is asked for

// "0–63 of 256", with a small bar of the place.
std::string PartCell(const RankPart& part, bool is_slice, Language language) {
  if (part.whole == 0) return "<td class=\"num\">–</td>";
  if (part.whole == 1 || (part.begin == 0 && part.end == part.whole)) {
    return fmt::format("<td class=\"num\">{}</td>", Tr("whole").In(language));
  }
  const Text text = part.end <= part.begin       ? Tr("none")
                    : is_slice                   ? Tr("{} of {}", part.begin + 1, part.whole)
                    : part.end - part.begin == 1 ? Tr("{} of {}", part.begin, part.whole)
                                                 : Tr("{}–{} of {}", part.begin, part.end - 1, part.whole);
  return fmt::format(
      "<td class=\"num\">{}<div class=\"mini\" aria-hidden=\"true\"><i style=\"left:{:.2f}%;width:{:.2f}%\"></i></div>"
      "</td>",
      text.In(language), Percent(part.begin, part.whole), Percent(part.end - part.begin, part.whole));
}

struct PartTable {
  std::string id;     // of the section
  std::string table;  // of the table
  Text title;
  Text before;  // a paragraph; may be empty
  Text caption;
  std::vector<Text> headings;  // behind that of the ranks
};

// A section of one table, a row for all ranks whose cells are the same.
std::string Section(const PartTable& what, const PlanPicture& picture,
                    const std::function<std::string(const RankPicture&)>& cells, Language language) {
  std::vector<std::pair<std::string, std::vector<std::uint32_t>>> rows;
  std::map<std::string, std::size_t> places;
  for (const RankPicture& rank : picture.ranks) {
    std::string row = cells(rank);
    const auto [place, is_new] = places.try_emplace(row, rows.size());
    if (is_new) rows.push_back({std::move(row), {}});
    rows[place->second].second.push_back(rank.rank);
  }
  std::string text = fmt::format("<section><h2 id=\"{}\">{}</h2>\n", what.id, what.title.In(language));
  if (!what.before.empty()) text += fmt::format("<p>{}</p>\n", what.before.In(language));
  text += fmt::format("<details{}><summary>{}</summary>\n", rows.size() <= kOpenRows ? " open" : "",
                      what.caption.In(language));
  text += fmt::format(
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{}\"><table id=\"{}\" "
      "class=\"parts\"><thead><tr><th scope=\"col\" class=\"num\">{}</th>",
      what.id, what.table, Tr("Ranks").In(language));
  for (const Text& heading : what.headings) {
    text += fmt::format("<th scope=\"col\" class=\"num\">{}</th>", EscapeHtml(heading.In(language)));
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& [row, numbers] : rows) {
    text += fmt::format("<tr data-ranks=\"{0}\"><th scope=\"row\" class=\"num\">{0}</th>{1}</tr>\n",
                        FormatRanks(RankSet(numbers)), row);
  }
  return text + "</tbody></table></div></details></section>\n";
}

}  // namespace

std::string MeshSection(const PlanPicture& picture, Language language) {
  if (picture.ranks.empty() || !picture.ranks.front().parts || picture.ranks.front().parts->coordinates.empty()) {
    return "";
  }
  PartTable what{"mesh", "mesh-table", Tr("Where each rank stands"), {}, Tr("Coordinates and layers by rank, from 0"),
                 {}};
  for (const auto& [axis, coordinate] : picture.ranks.front().parts->coordinates) what.headings.push_back(Name(axis));
  what.headings.push_back(Tr("Layers"));
  const auto cells = [language](const RankPicture& rank) {
    std::string text;
    for (const auto& [axis, coordinate] : rank.parts->coordinates) {
      text += fmt::format("<td class=\"num\">{}</td>", coordinate);
    }
    return text + PartCell(rank.parts->layers, false, language);
  };
  return Section(what, picture, cells, language);
}

std::string SliceSection(const PlanPicture& picture, Language language) {
  if (picture.ranks.empty() || !picture.ranks.front().parts) return "";
  const PartTable what{"slices",
                       "slice-table",
                       Tr("Which part of a layer a rank holds"),
                       Tr("Every layer of a kind is cut alike. Norms, routers, q_a and kv_a are whole on every rank."),
                       Tr("Parts by rank; experts and heads count from 0"),
                       {Tr("Routed experts"), Tr("Slice of each"), Tr("Attention heads"), Tr("Dense MLP slice"),
                        Tr("Shared experts slice"), Tr("lm_head slice")}};
  const auto cells = [language](const RankPicture& rank) {
    return PartCell(rank.parts->experts, false, language) + PartCell(rank.parts->expert_slice, true, language) +
           PartCell(rank.parts->heads, false, language) + PartCell(rank.parts->dense_slice, true, language) +
           PartCell(rank.parts->shared_slice, true, language) + PartCell(rank.parts->head_slice, true, language);
  };
  return Section(what, picture, cells, language);
}

}  // namespace shardfs
