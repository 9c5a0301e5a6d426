#include "report/plan_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "parallel/node_ranks.h"
#include "shardfs/base/format_bytes.h"
#include "source/own_files.h"

namespace shardfs {
namespace {

double Percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string Grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string grouped;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

// Two cells: for the eye, and to the byte.
std::string ByteCells(std::uint64_t bytes) {
  return fmt::format("<td class=\"num\">{}</td><td class=\"num exact\">{}</td>", FormatBytes(bytes), Grouped(bytes));
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

std::string Legend() {
  std::string text = "<ul class=\"legend\" aria-label=\"Colours of the bars\">";
  for (std::size_t c = 0; c < kWeightClasses; ++c) {
    text += fmt::format("<li><i class=\"c{}\"></i>{}</li>", c, WeightClassName(static_cast<WeightClass>(c)));
  }
  return text + "</ul>\n";
}

std::uint64_t Sum(const ClassBytes& classes) {
  return std::accumulate(classes.begin(), classes.end(), std::uint64_t{0});
}

std::string PageHeader(const BuiltView& view, const PlanReport& report, const std::string& command_line) {
  const VirtualTree& tree = *view.view.tree;
  const std::string model = EscapeHtml(std::filesystem::path(view.checkpoint->path()).filename().string());
  std::string text =
      fmt::format("<header><h1>Plan for {}</h1>\n<p>{}</p>\n<dl>\n", model, EscapeHtml(view.view.summary));
  const auto row = [&text](std::string_view term, const std::string& value) {
    text += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term, value);
  };
  row("Source", fmt::format("<code>{}</code>", EscapeHtml(view.checkpoint->path())));
  row("Made by", fmt::format("<code>{}</code>", EscapeHtml(command_line)));
  row("Source tensors",
      fmt::format("{} in {} tensors, {} files", FormatBytes(view.checkpoint->stored_bytes()),
                  Grouped(view.checkpoint->stored_tensors()), CountOwnFiles(view.checkpoint->sources())));
  for (const AppliedTransform& transform : view.checkpoint->transforms()) {
    row("After " + transform.name, EscapeHtml(transform.account));
  }
  row("All files once", fmt::format("{} in {} files", FormatBytes(tree.total_file_bytes()), tree.file_count()));
  row("All ranks’ loads", fmt::format("{}, {:.3f} times the source", FormatBytes(report.loaded_bytes),
                                      Percent(report.loaded_bytes, view.checkpoint->stored_bytes()) / 100));
  return text + "</dl></header>\n";
}

std::string RankSection(const PlanPicture& picture) {
  std::uint64_t longest = 0;
  for (const RankPicture& rank : picture.ranks) longest = std::max(longest, rank.bytes);
  std::string text =
      "<section><h2 id=\"ranks\">What each rank loads</h2>\n" + Legend() +
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"ranks\"><table "
      "id=\"rank-bytes\"><caption>Bytes of all files that a rank loads</caption>\n<thead><tr><th scope=\"col\" "
      "class=\"num\">Rank</th><th scope=\"col\" class=\"num\">Node</th><th scope=\"col\" class=\"bar\">By kind</th><th "
      "scope=\"col\" class=\"num\">Size</th><th scope=\"col\" class=\"num exact\">Bytes</th></tr></thead>\n<tbody>\n";
  for (const RankPicture& rank : picture.ranks) {
    text += fmt::format("<tr><th scope=\"row\" class=\"num\">{}</th><td class=\"num\">{}</td>{}{}</tr>\n", rank.rank,
                        rank.node, ClassBar(rank.by_class, longest), ByteCells(rank.bytes));
  }
  return text + "</tbody></table></div></section>\n";
}

std::string NodeSection(const PlanReport& report) {
  std::uint64_t longest = 0;
  for (const PlanNode& node : report.nodes) longest = std::max(longest, node.bytes);
  std::string text =
      "<section><h2 id=\"nodes\">How much tmpfs each node needs</h2>\n<p>The files of a "
      "node’s ranks, each once. A tmpfs wants a little more: it counts in pages.</p>\n"
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"nodes\"><table "
      "id=\"node-bytes\"><caption>Files by node</caption>\n<thead><tr><th "
      "scope=\"col\" class=\"num\">Node</th><th scope=\"col\">Ranks</th><th scope=\"col\" class=\"num\">Files</th><th "
      "scope=\"col\" class=\"bar\">Share</th><th scope=\"col\" class=\"num\">Size</th><th scope=\"col\" class=\"num "
      "exact\">Bytes</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < report.nodes.size(); ++i) {
    const PlanNode& node = report.nodes[i];
    text += fmt::format(
        "<tr><th scope=\"row\" class=\"num\">{}</th><td>{}</td><td class=\"num\">{}</td><td class=\"bar\" "
        "aria-hidden=\"true\"><div><i class=\"c2\" style=\"width:{:.2f}%\"></i></div></td>{}</tr>\n",
        i, FormatRanks(node.ranks), node.files, Percent(node.bytes, longest), ByteCells(node.bytes));
  }
  return text + "</tbody></table></div></section>\n";
}

// Compares what the ranks load of each kind with what the source has of it, or the transforms have made of it: the
// first copy, and more of the same.
std::string ReplicationSection(const PlanPicture& picture, bool is_transformed) {
  const std::uint64_t longest = *std::max_element(picture.loaded.begin(), picture.loaded.end());
  std::string text = fmt::format(
      "<section><h2 id=\"copies\">Split and replicated</h2>\n<p>What is split is loaded "
      "once "
      "by all ranks together; what is replicated, by several of them. Headers, padding and other types than the "
      "source’s make small differences; source tensors that no file is made of do not count here.</p>\n<ul "
      "class=\"legend\" aria-label=\"Colours of the bars\"><li><i "
      "class=\"first\"></i>as many bytes as the source has</li><li><i class=\"again\"></i>replicated</li></ul>\n"
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"copies\"><table "
      "id=\"class-bytes\"><caption>Loads of all ranks together, by kind</caption>\n<thead><tr><th "
      "scope=\"col\">Kind</th><th scope=\"col\" class=\"num\">{}</th><th scope=\"col\" class=\"num\">In the "
      "files</th><th scope=\"col\" class=\"bar\">Loaded</th><th scope=\"col\" class=\"num\">Loaded</th><th "
      "scope=\"col\" class=\"num exact\">Bytes</th><th scope=\"col\" class=\"num\">Replicated</th><th scope=\"col\" "
      "class=\"num\">{}</th></tr></thead>\n<tbody>\n",
      is_transformed ? "After the transforms" : "In the source", is_transformed ? "Times that" : "Times the source");
  const auto row = [&](std::string_view name, std::uint64_t source, std::uint64_t once, std::uint64_t loaded) {
    const bool has_source = source > 0;
    const std::uint64_t first = has_source ? std::min(source, loaded) : loaded;
    text += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"bar\" "
        "aria-hidden=\"true\"><div><i class=\"first\" style=\"width:{:.2f}%\"></i><i class=\"again\" "
        "style=\"width:{:.2f}%\"></i></div></td>{}<td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
        name, FormatBytes(source), FormatBytes(once), Percent(first, longest), Percent(loaded - first, longest),
        ByteCells(loaded), has_source ? FormatBytes(loaded - first) : "–",
        !has_source ? "–" : fmt::format("{:.2f}", Percent(loaded, source) / 100));
  };
  for (std::size_t c = 0; c < kWeightClasses; ++c) {
    if (picture.loaded[c] + picture.source[c] == 0) continue;
    row(WeightClassName(static_cast<WeightClass>(c)), picture.source[c], picture.once[c], picture.loaded[c]);
  }
  std::uint64_t replicated = 0;
  for (std::size_t c = 0; c < kWeightClasses; ++c) {
    if (picture.source[c] > 0) replicated += picture.loaded[c] - std::min(picture.source[c], picture.loaded[c]);
  }
  text += fmt::format(
      "</tbody>\n<tfoot><tr><th scope=\"row\">all</th><td class=\"num\">{}</td><td "
      "class=\"num\">{}</td><td></td>{}<td class=\"num\">{}</td><td "
      "class=\"num\">{:.2f}</td></tr></tfoot></table></div></section>\n",
      FormatBytes(Sum(picture.source)), FormatBytes(Sum(picture.once)), ByteCells(Sum(picture.loaded)),
      FormatBytes(replicated), Percent(Sum(picture.loaded), Sum(picture.source)) / 100);
  return text;
}

// "0–63 of 256", with a small bar of the place.
std::string PartCell(const RankPart& part, bool is_slice) {
  if (part.whole == 0) return "<td>–</td>";
  if (part.whole == 1 || (part.begin == 0 && part.end == part.whole)) return "<td>whole</td>";
  const std::string text = part.end <= part.begin ? "none"
                           : is_slice             ? fmt::format("{} of {}", part.begin + 1, part.whole)
                           : part.end - part.begin == 1
                               ? fmt::format("{} of {}", part.begin, part.whole)
                               : fmt::format("{}–{} of {}", part.begin, part.end - 1, part.whole);
  return fmt::format(
      "<td>{}<div class=\"mini\" aria-hidden=\"true\"><i style=\"left:{:.2f}%;width:{:.2f}%\"></i></div></td>", text,
      Percent(part.begin, part.whole), Percent(part.end - part.begin, part.whole));
}

// Where each rank stands in the layout's mesh, and which layers it has.
std::string MeshSection(const PlanPicture& picture) {
  if (picture.ranks.empty() || !picture.ranks.front().parts || picture.ranks.front().parts->coordinates.empty()) {
    return "";
  }
  std::string text =
      "<section><h2 id=\"mesh\">Where each rank stands</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" "
      "aria-labelledby=\"mesh\"><table id=\"mesh-table\"><caption>Coordinates and layers by rank, from "
      "0</caption>\n<thead><tr><th scope=\"col\" class=\"num\">Rank</th>";
  for (const auto& [axis, coordinate] : picture.ranks.front().parts->coordinates) {
    text += fmt::format("<th scope=\"col\" class=\"num\">{}</th>", EscapeHtml(axis));
  }
  text += "<th scope=\"col\">Layers</th></tr></thead>\n<tbody>\n";
  for (const RankPicture& rank : picture.ranks) {
    text += fmt::format("<tr><th scope=\"row\" class=\"num\">{}</th>", rank.rank);
    for (const auto& [axis, coordinate] : rank.parts->coordinates) {
      text += fmt::format("<td class=\"num\">{}</td>", coordinate);
    }
    text += PartCell(rank.parts->layers, false) + "</tr>\n";
  }
  return text + "</tbody></table></div></section>\n";
}

// What no file tells, for the reader of the page to answer.
std::string QuestionSection(const View& view) {
  if (view.questions.empty()) return "";
  std::string text =
      "<section><h2 id=\"questions\">Questions that no file answers</h2>\n<p>Only the loader knows.</p>\n<ul>\n";
  for (const std::string& question : view.questions) text += fmt::format("<li>{}</li>\n", EscapeHtml(question));
  return text + "</ul></section>\n";
}

std::string SliceSection(const PlanPicture& picture) {
  if (picture.ranks.empty() || !picture.ranks.front().parts) return "";
  std::string text =
      "<section><h2 id=\"slices\">Which part of a layer a rank holds</h2>\n<p>Every layer "
      "of a kind is cut alike. Norms, routers, q_a and kv_a are whole on every rank.</p>\n"
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"slices\"><table "
      "id=\"slice-table\"><caption>Parts by rank; experts and heads count from 0</caption>\n<thead><tr><th "
      "scope=\"col\" class=\"num\">Rank</th><th scope=\"col\">Routed experts</th><th scope=\"col\">Slice of "
      "each</th><th "
      "scope=\"col\">Attention heads</th><th scope=\"col\">Dense MLP slice</th><th scope=\"col\">Shared experts "
      "slice</th><th "
      "scope=\"col\">lm_head slice</th></tr></thead>\n<tbody>\n";
  for (const RankPicture& rank : picture.ranks) {
    text += fmt::format("<tr><th scope=\"row\" class=\"num\">{}</th>{}{}{}{}{}{}</tr>\n", rank.rank,
                        PartCell(rank.parts->experts, false), PartCell(rank.parts->expert_slice, true),
                        PartCell(rank.parts->heads, false), PartCell(rank.parts->dense_slice, true),
                        PartCell(rank.parts->shared_slice, true), PartCell(rank.parts->head_slice, true));
  }
  return text + "</tbody></table></div></section>\n";
}

nlohmann::ordered_json PartJson(const RankPart& part) { return {part.begin, part.end, part.whole}; }

// What the script draws the map from. "<" is escaped, so that no name can end the element.
std::string DataElement(const PlanPicture& picture) {
  nlohmann::ordered_json json = {{"groups", picture.expert_groups}};
  for (const PlanColumn& column : picture.columns) {
    json["columns"].push_back({{"label", column.label}, {"spoken", column.spoken}, {"experts", column.has_experts}});
  }
  for (const RankPicture& rank : picture.ranks) {
    nlohmann::ordered_json row = {
        {"rank", rank.rank}, {"node", rank.node}, {"bytes", rank.bytes}, {"cells", rank.by_column}};
    if (rank.parts) {
      row["group"] = rank.parts->expert_group;
      row["experts"] = PartJson(rank.parts->experts);
      row["slice"] = PartJson(rank.parts->expert_slice);
      row["heads"] = PartJson(rank.parts->heads);
      row["dense"] = PartJson(rank.parts->dense_slice);
      row["shared"] = PartJson(rank.parts->shared_slice);
    }
    json["ranks"].push_back(std::move(row));
  }
  std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;) text.replace(at, 1, "\\u003c");
  return "<script type=\"application/json\" id=\"plan-data\">" + text + "</script>\n";
}

std::string MapSection() {
  return "<section><h2 id=\"map\">Who holds what</h2>\n"
         "<div id=\"expert-map\"></div>\n<div id=\"layer-map\"></div>\n"
         "<noscript><p>The map needs the page’s own script; the table of parts says the "
         "same.</p></noscript></section>\n";
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  // nlohmann's dump replaces what is not UTF-8; the quotes that it adds go again.
  const std::string valid =
      nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::string clean = nlohmann::json::parse(valid, nullptr, false).get<std::string>();
  std::string escaped;
  for (const char c : clean) {
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
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return escaped;
}

std::string FormatPlanPage(const BuiltView& view, const PlanReport& report, const PlanPicture& picture,
                           const std::string& command_line) {
  const std::string model = EscapeHtml(std::filesystem::path(view.checkpoint->path()).filename().string());
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>Plan for {}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n",
      model, kPlanStyle);
  page += PageHeader(view, report, command_line) + RankSection(picture) + NodeSection(report) +
          ReplicationSection(picture, !view.checkpoint->transforms().empty()) + MapSection() + MeshSection(picture) +
          SliceSection(picture) + QuestionSection(view.view);
  page += "<section><h2 id=\"tree\">The directory</h2>\n" + FormatTreeHtml(*view.view.tree, report) + "</section>\n";
  page += fmt::format("</main>\n<footer><p>shardfs {}</p></footer>\n{}<script>{}</script>\n</body>\n</html>\n",
                      SHARDFS_VERSION, DataElement(picture), kPlanScript);
  return page;
}

}  // namespace shardfs
