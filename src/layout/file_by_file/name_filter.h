// NameFilter: the option file_name_regex, by which the reader and the layouts choose files of rank folders.
#pragma once

#include <optional>
#include <string>

#include "base/python_regex.h"
#include "shardfs/base/result.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

inline constexpr OptionSpec kFileNameRegex = {
    "file_name_regex", OptionKind::kText, "REGEX",
    "Take files of a directory alone in whose name (without the folder) this is found", "all files"};

class NameFilter {
 public:
  // kInvalidArgument or kNotSupported for what is no regular expression of Python's, or one that PythonRegex leaves out.
  static Result<NameFilter> Parse(const OptionValues& values);

  bool Takes(const std::string& file_name) const { return !regex_ || regex_->MatchesAnywhere(file_name); }
  const std::string& text() const { return text_; }  // empty where it is not given

 private:
  std::optional<PythonRegex> regex_;
  std::string text_;
};

}  // namespace shardfs
