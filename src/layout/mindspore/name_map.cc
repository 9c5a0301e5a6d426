#include "layout/mindspore/name_map.h"

#include <fmt/format.h>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxBytes = 64u << 20;

Status Wrong(std::string_view option, const Status& status) {
  return Status::InvalidArgument(std::string(status.WithContext(option).message()));
}

}  // namespace

Result<std::map<std::string, std::string>> ReadNameMap(const std::string& path, std::string_view option) {
  const auto text = ReadTextFile(path, kMaxBytes);
  if (!text.ok()) return Wrong(option, text.status());
  const auto document = ParseJson(*text, path);
  if (!document.ok()) return Wrong(option, document.status());
  if (!document->is_object()) return Status::InvalidArgument(fmt::format("{}: {} holds no JSON object", option, path));
  std::map<std::string, std::string> names;
  for (const auto& [name, value] : document->members()) {
    if (!value.is_string() || value.text().empty()) {
      return Status::InvalidArgument(fmt::format("{}: {} gives no name for {}", option, path, QuoteName(name)));
    }
    names.emplace(name, value.text());
  }
  return names;
}

}  // namespace shardfs
