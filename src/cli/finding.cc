#include "cli/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/output.h"

namespace shardfs {
namespace {

const char* Word(Finding::Level level) {
  switch (level) {
    case Finding::Level::kOk:
      return "ok";
    case Finding::Level::kAdvice:
      return "advice";
    default:
      return "WRONG";
  }
}

// A name in a message may hold anything; a line is to stay one.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return line;
}

}  // namespace

bool AnyWrong(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.level == Finding::Level::kWrong; });
}

std::string FormatFindings(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += OneLine(fmt::format("{:<7} {}: {}", Word(finding.level), finding.subject, finding.message));
    if (!finding.remedy.empty()) text += OneLine("; do: " + finding.remedy);
    text += '\n';
  }
  return text;
}

nlohmann::ordered_json FindingsToJson(const std::vector<Finding>& findings) {
  auto json = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"level", finding.level == Finding::Level::kWrong ? "wrong" : Word(finding.level)},
                    {"subject", finding.subject},
                    {"message", finding.message},
                    {"remedy", finding.remedy}});
  }
  return json;
}

int ReportFindings(const std::vector<Finding>& findings, bool as_json) {
  const bool wrong = AnyWrong(findings);
  if (as_json) {
    const nlohmann::ordered_json json = {{"ok", !wrong}, {"findings", FindingsToJson(findings)}};
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << FormatFindings(findings);
  }
  return FinishOutput("result", wrong ? 1 : 0);
}

}  // namespace shardfs
