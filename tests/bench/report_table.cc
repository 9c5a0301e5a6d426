#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bench/report.h"

namespace shardfs::bench {
namespace {

constexpr std::size_t kColumns = 7;
using Line = std::array<std::string, kColumns>;

std::string MetText(const Row& row) {
  const std::optional<bool> met = row.Met();
  if (met) return *met ? "yes" : "NO";
  return row.target && !row.skipped.empty() ? "skipped" : "";
}

Line LineOf(const Row& row) {
  if (!row.measured()) return {row.name, "", "", "", "", TargetText(row), MetText(row)};
  const std::optional<double> reference = row.ReferenceValue();
  const std::optional<double> ratio = row.Ratio();
  const auto range = row.RatioRange();
  return {row.name,
          fmt::format("{} {}", NumberText(row.Value()), row.unit),
          reference ? fmt::format("{} {}", NumberText(*reference), row.unit) : "",
          ratio ? NumberText(*ratio) : "",
          range ? fmt::format("{} - {}", NumberText(range->first), NumberText(range->second)) : "",
          TargetText(row),
          MetText(row)};
}

void Append(std::string& text, const Line& line, const std::array<std::size_t, kColumns>& widths) {
  for (std::size_t column = 0; column < kColumns; ++column) {
    // Names to the left, numbers to the right.
    const std::string& cell = line[column];
    const std::string padding(widths[column] - cell.size(), ' ');
    text += column == 0 ? cell + padding : "  " + padding + cell;
  }
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

}  // namespace

std::string TableText(const Report& report) {
  std::string text;
  for (const auto& [name, value] : report.facts) text += fmt::format("{}: {}\n", name, value);
  std::vector<Line> lines = {{"name", "ours", "reference", "ratio", "of rounds", "target", "met"}};
  for (const Row& row : report.rows) lines.push_back(LineOf(row));
  std::array<std::size_t, kColumns> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  text += '\n';
  for (const Line& line : lines) Append(text, line, widths);
  for (const Row& row : report.rows) {
    if (!row.skipped.empty()) text += fmt::format("\nskipped: {}: {}", row.name, row.skipped);
  }
  return text + '\n';
}

}  // namespace shardfs::bench
