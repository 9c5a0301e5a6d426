#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "bench/report.h"

namespace shardfs::bench {
namespace {

// Pixels.
constexpr double kLabelWidth = 430, kPlotWidth = 420, kTextWidth = 300, kLineHeight = 22, kBarHeight = 14, kTop = 40;

struct Bar {
  std::string name;
  double length = 0;
  std::optional<double> mark;
  std::optional<bool> met;
  std::string text;
};

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::optional<Bar> BarOf(const Row& row) {
  if (!row.measured()) return std::nullopt;
  Bar bar{row.name, 0, std::nullopt, row.Met(), ""};
  if (row.target && row.target->bound == Bound::kValueAtMost) {
    bar.length = row.target->limit / std::max(row.Value(), 1e-12);
    bar.mark = 1;
    bar.text = fmt::format("{} {} ({})", NumberText(row.Value()), row.unit, TargetText(row));
    return bar;
  }
  const std::optional<double> ratio = row.Ratio();
  if (!ratio) return std::nullopt;
  bar.length = *ratio;
  if (row.target) bar.mark = row.target->limit;
  bar.text = fmt::format("{:.2f}{}", *ratio, row.target ? " (" + TargetText(row) + ")" : "");
  return bar;
}

std::string Text(double x, double y, std::string_view anchor, std::string_view text) {
  return fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, Escape(text));
}

std::string VerticalLine(double x, double from, double to, std::string_view style) {
  return fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" {3}/>\n", x, from, to, style);
}

const char* Colour(const Bar& bar) {
  if (!bar.met) return "#9aa5b1";
  return *bar.met ? "#3f8f5b" : "#c0503c";
}

}  // namespace

std::string SvgText(const Report& report) {
  std::vector<Bar> bars;
  for (const Row& row : report.rows) {
    if (auto bar = BarOf(row)) bars.push_back(*std::move(bar));
  }
  // A row far above all targets must not flatten the others: bars end at 3.
  constexpr double kScaleEnd = 3;
  const auto position = [&](double value) { return kLabelWidth + std::min(value, kScaleEnd) / kScaleEnd * kPlotWidth; };
  const double bottom = kTop + kLineHeight * static_cast<double>(bars.size());
  const double height = bottom + 30 + 14 * static_cast<double>(report.facts.size());
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLabelWidth + kPlotWidth + kTextWidth, height);
  svg += Text(kLabelWidth, 16, "start", "ratio to the reference; black marks are targets");
  for (double tick = 0; tick <= kScaleEnd; tick += 0.5) {
    svg += VerticalLine(position(tick), kTop - 8, bottom, "stroke=\"#dddddd\"");
    svg += Text(position(tick), kTop - 12, "middle", fmt::format("{:.1f}", tick));
  }
  double y = kTop;
  for (const Bar& bar : bars) {
    svg += Text(kLabelWidth - 8, y + kBarHeight - 3, "end", bar.name);
    svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" fill=\"{}\"/>\n",
                       kLabelWidth, y, position(bar.length) - kLabelWidth, kBarHeight, Colour(bar));
    if (bar.mark) {
      svg += VerticalLine(position(*bar.mark), y - 2, y + kBarHeight + 2, "stroke=\"black\" stroke-width=\"2\"");
    }
    svg += Text(kLabelWidth + kPlotWidth + 8, y + kBarHeight - 3, "start", bar.text);
    y += kLineHeight;
  }
  y = bottom + 20;
  for (const auto& [name, value] : report.facts) {
    svg += Text(8, y, "start", name + ": " + value);
    y += 14;
  }
  return svg + "</svg>\n";
}

}  // namespace shardfs::bench
