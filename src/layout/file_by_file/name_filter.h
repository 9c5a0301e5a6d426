// NameFilter: the option file_name_regex, by which the reader and the layouts choose files of rank folders.
#pragma once

#include <optional>
#include <regex>
#include <string>

#include "shardfs/base/result.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

inline constexpr OptionSpec kFileNameRegex = {
    "file_name_regex", OptionKind::kText, "REGEX",
    "Take files of a directory alone in whose name (without the folder) this is found", "all files"};

class NameFilter {
 public:
  // kInvalidArgument for what is no regular expression. Its form is ECMAScript's, in which those of Python that choose
  // file names are written as well.
  static Result<NameFilter> Parse(const OptionValues& values);

  bool Takes(const std::string& file_name) const { return !regex_ || std::regex_search(file_name, *regex_); }
  const std::string& text() const { return text_; }  // empty where it is not given

 private:
  std::optional<std::regex> regex_;
  std::string text_;
};

}  // namespace shardfs
