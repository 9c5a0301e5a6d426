#include "layout/file_by_file/name_filter.h"

#include <fmt/format.h>

#include "base/quote_name.h"

namespace shardfs {

Result<NameFilter> NameFilter::Parse(const OptionValues& values) {
  NameFilter filter;
  filter.text_ = values.Text(kFileNameRegex).value_or("");
  if (filter.text_.empty()) return filter;
  try {
    filter.regex_.emplace(filter.text_);
  } catch (const std::regex_error& error) {
    return Status::InvalidArgument(
        fmt::format("file_name_regex: {} is no regular expression ({})", QuoteName(filter.text_), error.what()));
  }
  return filter;
}

}  // namespace shardfs
