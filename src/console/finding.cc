#include "console/finding.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/escape_controls.h"
#include "console/message_text.h"
#include "console/output.h"

namespace shardfs {
namespace {

// As wide as the others on a terminal, where a Chinese character takes two columns.
Text Heading(Finding::Level level) {
  switch (level) {
    case Finding::Level::kOk:
      return Tr("ok     ");
    case Finding::Level::kAdvice:
      return Tr("advice ");
    default:
      return Tr("WRONG  ");
  }
}

}  // namespace

std::string_view LevelName(Finding::Level level) {
  switch (level) {
    case Finding::Level::kOk:
      return "ok";
    case Finding::Level::kAdvice:
      return "advice";
    default:
      return "wrong";
  }
}

bool AnyWrong(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.level == Finding::Level::kWrong; });
}

std::string FormatFindings(const std::vector<Finding>& findings, Language language) {
  std::string text;
  for (const Finding& finding : findings) {
    Text line = Tr("{} {}: {}", Heading(finding.level), finding.subject, finding.message);
    if (!finding.remedy.empty()) line = Tr("{}; do: {}", line, finding.remedy);
    text += EscapeControls(line.In(language)) + '\n';
  }
  return text;
}

Text Verdict(const std::vector<Finding>& findings) {
  const auto count = [&findings](Finding::Level level) {
    return std::count_if(findings.begin(), findings.end(),
                         [level](const Finding& finding) { return finding.level == level; });
  };
  const auto wrong = count(Finding::Level::kWrong);
  const auto advised = count(Finding::Level::kAdvice);
  const Text begin = wrong == 0   ? Tr("nothing is wrong")
                     : wrong == 1 ? Tr("1 thing is wrong")
                                  : Tr("{} things are wrong", wrong);
  if (advised == 0) return begin;
  return advised == 1 ? Tr("{}, and 1 is advised", begin) : Tr("{}, and {} are advised", begin, advised);
}

nlohmann::ordered_json FindingsToJson(const std::vector<Finding>& findings) {
  auto json = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"level", LevelName(finding.level)},
                    {"subject", finding.subject.english()},
                    {"message", finding.message.english()},
                    {"remedy", finding.remedy.english()}});
  }
  return json;
}

int ReportRefusal(const Status& status) {
  PrintError(TextOf(status).In(LanguageOfEnvironment()));
  return ToExitCode(status.code());
}

int ReportFindings(const std::vector<Finding>& findings, bool as_json, const Text& last_line) {
  const bool wrong = AnyWrong(findings);
  if (as_json) {
    const nlohmann::ordered_json json = {
        {"ok", !wrong}, {"verdict", Verdict(findings).english()}, {"findings", FindingsToJson(findings)}};
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    const Language language = LanguageOfEnvironment();
    const Text last = last_line.empty() ? Verdict(findings) : last_line;
    std::cout << FormatFindings(findings, language) << last.In(language) << "\n";
  }
  std::cout.flush();
  if (std::cout.good()) return wrong ? 1 : 0;
  return ReportRefusal(Status::IoError("cannot write the result to standard output"));
}

}  // namespace shardfs
