#include "report/plan_html.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "console/message_text.h"
#include "shardfs/base/format_bytes.h"
#include "source/own_files.h"

namespace shardfs {
namespace {

// What was recognised, and what is made of it.
std::string PageHeader(const BuiltView& view, const PlanReport& report, const PageOrigin& origin, Language language) {
  const Checkpoint& source = *view.checkpoint;
  const VirtualTree& tree = *view.view.tree;
  const std::string model = std::filesystem::path(source.path()).filename().string();
  std::string text = fmt::format("<header><h1>{}</h1>\n<dl>\n", EscapeHtml(Tr("Plan for {}", model).In(language)));
  const auto row = [&](const Text& term, const std::string& value) {
    text += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term.In(language), value);
  };
  const auto code = [](const std::string& what) { return "<code>" + EscapeHtml(what) + "</code>"; };
  std::string account;
  for (const std::string& sentence : source.account())
    account += "<br>" + EscapeHtml(TextOfMessage(sentence).In(language));
  const Text stored = Tr("{} in {} tensors, {} files", FormatBytes(source.stored_bytes()),
                         Grouped(source.stored_tensors()), CountOwnFiles(source.sources()));
  row(Tr("Source"), code(source.path()));
  row(Tr("Read as"), EscapeHtml(Tr("{}: {}", source.reader(), stored).In(language)) + account);
  row(Tr("Source digest"), code(origin.source_digest));
  for (const AppliedTransform& transform : source.transforms()) {
    row(Tr("Transform"), EscapeHtml(Tr("{}: {}", transform.name, TextOfMessage(transform.account)).In(language)));
  }
  if (source.transforms().empty()) row(Tr("Transforms"), Tr("none").In(language));
  row(Tr("Layout"), EscapeHtml(Tr("{}: {}", view.layout, TextOfMessage(view.view.summary)).In(language)));
  row(Tr("All files once"),
      Tr("{} in {} files", FormatBytes(tree.total_file_bytes()), Grouped(tree.file_count())).In(language));
  row(Tr("All ranks’ loads"), Tr("{}, {:.3f} times the source", FormatBytes(report.loaded_bytes),
                                 Percent(report.loaded_bytes, source.stored_bytes()) / 100)
                                  .In(language));
  row(Tr("Made on"), EscapeHtml(origin.date));
  row(Tr("Made by"), code(origin.command_line));
  return text + "</dl></header>\n";
}

// What no file tells, for the reader of the page to answer.
std::string QuestionSection(const View& view, Language language) {
  if (view.questions.empty()) return "";
  std::string text =
      fmt::format("<section><h2 id=\"questions\">{}</h2>\n<p>{}</p>\n<ul>\n",
                  Tr("Questions that no file answers").In(language), Tr("Only the loader knows.").In(language));
  for (const std::string& question : view.questions) {
    text += fmt::format("<li>{}</li>\n", EscapeHtml(TextOfMessage(question).In(language)));
  }
  return text + "</ul></section>\n";
}

std::string MapSection(Language language) {
  return fmt::format(
      "<section><h2 id=\"map\">{}</h2>\n<div id=\"expert-map\"></div>\n<div id=\"layer-map\"></div>\n"
      "<noscript><p>{}</p></noscript></section>\n",
      Tr("Who holds what").In(language),
      Tr("The map needs the page’s own script; the table of parts says the same.").In(language));
}

}  // namespace

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

std::string ByteCells(std::uint64_t bytes) {
  return fmt::format("<td class=\"num\">{}</td><td class=\"num exact\">{}</td>", FormatBytes(bytes), Grouped(bytes));
}

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
                           const PageOrigin& origin, Language language) {
  const std::string model = std::filesystem::path(view.checkpoint->path()).filename().string();
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n",
      language == Language::kChinese ? "zh" : "en", EscapeHtml(Tr("Plan for {}", model).In(language)), kPlanStyle);
  page += PageHeader(view, report, origin, language) + "<div id=\"choose\"></div>\n" + RankSection(picture, language) +
          NodeSection(report, language) +
          ReplicationSection(picture, !view.checkpoint->transforms().empty(), language) + MapSection(language) +
          MeshSection(picture, language) + SliceSection(picture, language) + QuestionSection(view.view, language);
  page += fmt::format("<section><h2 id=\"tree\">{}</h2>\n{}</section>\n", Tr("The directory").In(language),
                      FormatTreeHtml(*view.view.tree, report, language));
  page += fmt::format("</main>\n<footer><p>shardfs {}</p></footer>\n{}<script>{}</script>\n</body>\n</html>\n",
                      SHARDFS_VERSION, DataElement(view, picture, language), kPlanScript);
  return page;
}

}  // namespace shardfs
