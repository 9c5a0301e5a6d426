// The page of `shardfs plan --html`: one file of HTML that needs nothing else, for a person with a browser.
//
// The tables and the tree stand without a script. The script (plan_html.js, plan_html_choose.js) draws the maps, and
// lets the reader choose a rank or a layer and search tensors. What the page says is Text (console/text.h); the script
// has its Chinese from the catalogue, which the page then carries.
#pragma once

#include <string>
#include <string_view>

#include "console/text.h"
#include "report/plan_html_data.h"

namespace shardfs {

// How and from what the page was made, beside the view itself.
struct PageOrigin {
  std::string command_line;
  std::string date;           // "2026-03-01"
  std::string source_digest;  // hexadecimal (SourceDigest of pipeline/view_identity.h)
};

// "&amp;" and its like; bytes that are not UTF-8 become U+FFFD, control characters spaces.
std::string EscapeHtml(std::string_view text);

// The whole page.
std::string FormatPlanPage(const BuiltView& view, const PlanReport& report, const PlanPicture& picture,
                           const PageOrigin& origin, Language language);

// Its tables (plan_html_tables.cc): bytes by rank, by node and by kind.
std::string RankSection(const PlanPicture& picture, Language language);
std::string NodeSection(const PlanReport& report, Language language);
std::string ReplicationSection(const PlanPicture& picture, bool is_transformed, Language language);

// Where each rank stands and which parts it holds (plan_html_parts.cc); empty where the layout does not say.
std::string MeshSection(const PlanPicture& picture, Language language);
std::string SliceSection(const PlanPicture& picture, Language language);

// The tree as nested lists that fold (plan_html_tree.cc).
std::string FormatTreeHtml(const VirtualTree& tree, const PlanReport& report, Language language);

// What the script reads, as an element (plan_html_json.cc).
std::string DataElement(const BuiltView& view, const PlanPicture& picture, Language language);

// Two cells of a table: for the eye, and to the byte.
std::string ByteCells(std::uint64_t bytes);
// "1,234,567"
std::string Grouped(std::uint64_t number);
double Percent(std::uint64_t part, std::uint64_t whole);

// Style and script (plan_html*.css, plan_html*.js), embedded when the program is built.
extern const std::string_view kPlanStyle;
extern const std::string_view kPlanScript;

}  // namespace shardfs
