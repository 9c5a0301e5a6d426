// The page of `shardfs plan --html`: one file of HTML that needs nothing else, for a person with a browser.
#pragma once

#include <string>
#include <string_view>

#include "report/plan_html_data.h"

namespace shardfs {

// "&amp;" and its like; bytes that are not UTF-8 become U+FFFD, control characters spaces.
std::string EscapeHtml(std::string_view text);

// The whole page. `command_line`: how it was made.
std::string FormatPlanPage(const BuiltView& view, const PlanReport& report, const PlanPicture& picture,
                           const std::string& command_line);

// The tree as nested lists that fold (plan_html_tree.cc).
std::string FormatTreeHtml(const VirtualTree& tree, const PlanReport& report);

// Style and script (plan_html.css, plan_html.js), embedded when the program is built.
extern const std::string_view kPlanStyle;
extern const std::string_view kPlanScript;

}  // namespace shardfs
