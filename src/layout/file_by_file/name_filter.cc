#include "layout/file_by_file/name_filter.h"

#include <utility>

#include "base/quote_name.h"

namespace shardfs {

Result<NameFilter> NameFilter::Parse(const OptionValues& values) {
  NameFilter filter;
  filter.text_ = values.Text(kFileNameRegex).value_or("");
  if (filter.text_.empty()) return filter;
  Result<PythonRegex> regex = PythonRegex::Parse(filter.text_);
  if (!regex.ok()) return regex.status().WithContext("file_name_regex " + QuoteName(filter.text_));
  filter.regex_ = std::move(regex).value();
  return filter;
}

}  // namespace shardfs
