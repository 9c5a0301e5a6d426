#include "console/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/escape_controls.h"
#include "console/output.h"

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

std::string Verdict(const std::vector<Finding>& findings) {
  const auto count = [&findings](Finding::Level level) {
    return std::count_if(findings.begin(), findings.end(),
                         [level](const Finding& finding) { return finding.level == level; });
  };
  const auto wrong = count(Finding::Level::kWrong);
  const auto advised = count(Finding::Level::kAdvice);
  const std::string begin = wrong == 0   ? "nothing is wrong"
                            : wrong == 1 ? "1 thing is wrong"
                                         : fmt::format("{} things are wrong", wrong);
  return advised == 0 ? begin : fmt::format("{}, and {} {} advised", begin, advised, advised == 1 ? "is" : "are");
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
    const nlohmann::ordered_json json = {
        {"ok", !wrong}, {"verdict", Verdict(findings)}, {"findings", FindingsToJson(findings)}};
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << FormatFindings(findings) << Verdict(findings) << "\n";
  }
  return FinishOutput("result", wrong ? 1 : 0);
}

}  // namespace shardfs
