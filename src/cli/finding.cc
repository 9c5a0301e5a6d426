#include "cli/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/escape_controls.h"
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

}  // namespace

bool AnyWrong(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.level == Finding::Level::kWrong; });
}

std::string FormatFindings(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += EscapeControls(fmt::format("{:<7} {}: {}", Word(finding.level), finding.subject, finding.message));
    if (!finding.remedy.empty()) text += EscapeControls("; do: " + finding.remedy);
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
