// Finding: what one check found, and how lists of them are shown: one line each, or JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console/text.h"
#include "shardfs/base/status.h"

namespace shardfs {

struct Finding {
  enum class Level : std::uint8_t {
    kOk,
    kAdvice,  // works, and could work better or for more people
    kWrong,   // does not work
  };
  Level level = Level::kOk;
  Text subject;  // "fusermount3"
  Text message;  // what is there
  Text remedy;   // what to do or to type; empty for kOk
};

inline Finding Ok(Text subject, Text message) {
  return {Finding::Level::kOk, std::move(subject), std::move(message), {}};
}
inline Finding Advice(Text subject, Text message, Text remedy) {
  return {Finding::Level::kAdvice, std::move(subject), std::move(message), std::move(remedy)};
}
inline Finding Wrong(Text subject, Text message, Text remedy) {
  return {Finding::Level::kWrong, std::move(subject), std::move(message), std::move(remedy)};
}

bool AnyWrong(const std::vector<Finding>& findings);

// "ok", "advice", "wrong": in JSON.
std::string_view LevelName(Finding::Level level);

// "ok      fusermount3: ..." and "WRONG   fusermount3: ...; do: ...", each with a newline. Line breaks and control
// characters of names are escaped.
std::string FormatFindings(const std::vector<Finding>& findings, Language language = Language::kEnglish);
// "2 things are wrong, and 1 is advised", "nothing is wrong": the last line.
Text Verdict(const std::vector<Finding>& findings);
// In English, whatever the language.
nlohmann::ordered_json FindingsToJson(const std::vector<Finding>& findings);

// Prints why there are no findings to stderr, in the language of the environment. The exit code of that.
int ReportRefusal(const Status& status);

// Prints the findings and the last line (Verdict, where none is given) to stdout, in the language of the environment;
// as JSON in English. The exit code, 1 when anything is wrong.
int ReportFindings(const std::vector<Finding>& findings, bool as_json, const Text& last_line = {});

}  // namespace shardfs
