#include "materialize/run_identity_json.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/quote_name.h"

namespace shardfs {

JsonValue ToJson(const RunIdentity& run) {
  std::vector<JsonMember> members;
  for (const auto& [name, value] : run) members.emplace_back(name, JsonValue::String(value));
  return JsonValue::Object(std::move(members));
}

Result<RunIdentity> RunFromJson(const JsonValue* json, std::string_view what) {
  if (json == nullptr || !json->is_object()) return Status::Corruption(fmt::format("{}: 'run' is not an object", what));
  RunIdentity run;
  for (const auto& [name, value] : json->members()) {
    if (!value.is_string()) {
      return Status::Corruption(fmt::format("{}: {} of 'run' is not a string", what, QuoteName(name)));
    }
    run.emplace_back(name, value.text());
  }
  return run;
}

Result<ManifestFile> FileFromJson(const JsonValue& json, std::string_view path_key, std::string_view what) {
  if (!json.is_object()) return Status::Corruption(fmt::format("{}: a file is no object", what));
  const JsonValue* const path = json.Find(path_key);
  const JsonValue* const size = json.Find("size");
  const JsonValue* const digest = json.Find("digest");
  for (const auto& [key, value] : {std::pair{path_key, path}, {"size", size}, {"digest", digest}}) {
    if (value == nullptr) return Status::Corruption(fmt::format("{}: a file has no '{}'", what, key));
  }
  if (json.members().size() != 3) {
    return Status::Corruption(
        fmt::format("{}: a file has other members than '{}', 'size' and 'digest'", what, path_key));
  }
  for (const auto& [key, value] : {std::pair{path_key, path}, {"digest", digest}}) {
    if (!value->is_string()) return Status::Corruption(fmt::format("{}: '{}' of a file is not a string", what, key));
  }
  const std::string name = QuoteName(path->text());
  if (!IsSafeRelativePath(path->text())) {
    return Status::Corruption(fmt::format("{}: {} is no path of a file below the directory", what, name));
  }
  const auto bytes = size->AsInt64();
  if (!bytes || *bytes < 0 || static_cast<std::uint64_t>(*bytes) > kMaxFileBytes) {
    return Status::Corruption(
        fmt::format("{}: the size of {} is {}, which no file has", what, name, QuoteName(size->text())));
  }
  const auto parsed = FileDigest::FromHex(digest->text());
  if (!parsed) {
    return Status::Corruption(fmt::format("{}: the digest of {} is {} and must be 32 digits from 0 to f", what, name,
                                          QuoteName(digest->text())));
  }
  return ManifestFile{path->text(), static_cast<std::uint64_t>(*bytes), *parsed};
}

std::string QuoteJson(const std::string& text) { return DumpPythonJson(JsonValue::String(text)); }

}  // namespace shardfs
