// The three forms in which results are given: a table for a terminal, JSON for programs, SVG for a page.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/row.h"

namespace shardfs::bench {

struct Report {
  // What the machine is and how was measured, in the order in which it is shown: ("cpu", "..."), ("date", "...").
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<Row> rows;
};

std::string TableText(const Report& report);

// {"facts": {...}, "rows": [{"name", "against", "unit", "ours", "reference", "ratio", "target", "met", "rounds"}]}
std::string JsonText(const Report& report);

// A bar for each row that was measured and has a ratio or a target, with a mark at the target. Rows whose target bounds
// the value show how many times it fits into the target, with the mark at 1.
std::string SvgText(const Report& report);

}  // namespace shardfs::bench
