// Finding: what one check found, and how lists of them are shown: one line each, or JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace shardfs {

struct Finding {
  enum class Level {
    kOk,
    kAdvice,  // works, and could work better or for more people
    kWrong,   // does not work
  };
  Level level = Level::kOk;
  std::string subject;  // "fusermount3"
  std::string message;  // what is there
  std::string remedy;   // what to do or to type; empty for kOk
};

inline Finding Ok(std::string subject, std::string message) {
  return {Finding::Level::kOk, std::move(subject), std::move(message), {}};
}
inline Finding Advice(std::string subject, std::string message, std::string remedy) {
  return {Finding::Level::kAdvice, std::move(subject), std::move(message), std::move(remedy)};
}
inline Finding Wrong(std::string subject, std::string message, std::string remedy) {
  return {Finding::Level::kWrong, std::move(subject), std::move(message), std::move(remedy)};
}

bool AnyWrong(const std::vector<Finding>& findings);

// "ok      fusermount3: ..." and "WRONG   fusermount3: ...; do: ...", each with a newline. Line breaks and control
// characters of names are escaped.
std::string FormatFindings(const std::vector<Finding>& findings);
// "2 things are wrong, and 1 is advised", "nothing is wrong": the last line.
std::string Verdict(const std::vector<Finding>& findings);
nlohmann::ordered_json FindingsToJson(const std::vector<Finding>& findings);

// Prints the findings and the verdict to stdout; the exit code, 1 when anything is wrong.
int ReportFindings(const std::vector<Finding>& findings, bool as_json);

}  // namespace shardfs
