#include "shardfs/materialize/manifest.h"

#include <fmt/format.h>

#include <span>

#include "materialize/run_identity_json.h"
#include "materialize/small_file.h"
#include "base/quote_name.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{256} << 20;
constexpr std::int64_t kVersion = 1;

Status Wrong(std::string_view what, std::string_view reason) {
  return Status::Corruption(fmt::format("{}: {}", what, reason));
}

Status CheckHead(const JsonValue& json, std::string_view what) {
  const JsonValue* const version = json.Find("shardfs_manifest");
  if (version == nullptr || !version->AsInt64()) return Wrong(what, "it is no manifest of shardfs");
  if (version->AsInt64() != kVersion) {
    return Status::NotSupported(
        fmt::format("{}: its version is {} and this program knows {}", what, QuoteName(version->text()), kVersion));
  }
  const JsonValue* const block = json.Find("digest_block");
  if (block == nullptr) return Wrong(what, "it has no 'digest_block'");
  if (block->AsInt64() != static_cast<std::int64_t>(kDigestBlockBytes)) {
    return Wrong(what, fmt::format("'digest_block' is {} and must be {}", QuoteName(block->text()), kDigestBlockBytes));
  }
  return Status::Ok();
}

// The array under `key`.
Result<const std::vector<JsonValue>*> ArrayOf(const JsonValue& json, const char* key, std::string_view what) {
  const JsonValue* const array = json.Find(key);
  if (array == nullptr) return Wrong(what, fmt::format("it has no '{}'", key));
  if (!array->is_array()) return Wrong(what, fmt::format("'{}' is not an array", key));
  return &array->items();
}

// Ascending order makes equal neighbours of a path that stands twice.
Status CheckOrder(const std::string& before, const std::string& path, const char* kind, std::string_view what) {
  if (before < path) return Status::Ok();
  return Wrong(what, fmt::format("{} {} {}", kind, QuoteName(path),
                                 before == path ? "stands twice" : "is not in ascending order"));
}

}  // namespace

bool IsSafeRelativePath(std::string_view path) {
  constexpr std::size_t kLongestName = 255;
  if (path.find('\0') != path.npos) return false;
  for (;;) {
    const auto slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == ".." || name.size() > kLongestName) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string Manifest::Serialize() const {
  std::vector<JsonValue> folders;
  for (const std::string& path : directories) folders.push_back(JsonValue::String(path));
  std::vector<JsonValue> entries;
  for (const ManifestFile& file : files) {
    entries.push_back(JsonValue::Object({{"path", JsonValue::String(file.path)},
                                         {"size", JsonValue::Integer(static_cast<std::int64_t>(file.size))},
                                         {"digest", JsonValue::String(file.digest.ToHex())}}));
  }
  return DumpPythonJson(
             JsonValue::Object({{"shardfs_manifest", JsonValue::Integer(kVersion)},
                                {"digest_block", JsonValue::Integer(static_cast<std::int64_t>(kDigestBlockBytes))},
                                {"run", ToJson(run)},
                                {"directories", JsonValue::Array(std::move(folders))},
                                {"files", JsonValue::Array(std::move(entries))}})) +
         "\n";
}

Result<Manifest> Manifest::Parse(std::string_view text, std::string_view what) {
  JsonLimits limits;
  limits.max_bytes = kMaxManifestBytes;
  limits.max_depth = 4;
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue json, ParseJson(text, what, limits));
  SHARDFS_RETURN_IF_ERROR(CheckHead(json, what));
  Manifest manifest;
  SHARDFS_ASSIGN_OR_RETURN(manifest.run, RunFromJson(json.Find("run"), what));
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<JsonValue>* const directories, ArrayOf(json, "directories", what));
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<JsonValue>* const files, ArrayOf(json, "files", what));
  std::string before;  // no path is empty
  for (const JsonValue& item : *directories) {
    if (!item.is_string()) return Wrong(what, "'directories' holds something else than strings");
    if (!IsSafeRelativePath(item.text())) {
      return Wrong(what, fmt::format("{} is no path of a directory below it", QuoteName(item.text())));
    }
    SHARDFS_RETURN_IF_ERROR(CheckOrder(before, item.text(), "directory", what));
    before = item.text();
    manifest.directories.push_back(item.text());
  }
  before.clear();
  for (const JsonValue& item : *files) {
    SHARDFS_ASSIGN_OR_RETURN(ManifestFile file, FileFromJson(item, "path", what));
    SHARDFS_RETURN_IF_ERROR(CheckOrder(before, file.path, "file", what));
    before = file.path;
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

Result<Manifest> Manifest::Read(int root, const std::string& directory) {
  const std::string path = directory + "/" + kManifestName;
  constexpr std::uint64_t kMaxMarkerBytes = 4096;
  auto marker = ReadSmallFile(root, kCompleteName, directory + "/" + kCompleteName, kMaxMarkerBytes);
  if (!marker.ok()) {
    if (marker.status().code() != StatusCode::kNotFound) return marker.status();
    return Status::NotFound(
        fmt::format("'{}' has no {}: it was not made by materialize, or never finished", directory, kCompleteName));
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(root, kManifestName, path, kMaxManifestBytes));
  const std::string digest = FileDigest::OfBytes(std::as_bytes(std::span(text))).ToHex();
  if (*marker != digest + "\n") {
    return Status::Corruption(fmt::format("the digest of '{}' is {} and {} says {}; one of them was changed", path,
                                          digest, kCompleteName, QuoteName(marker->substr(0, digest.size()))));
  }
  return Parse(text, path);
}

}  // namespace shardfs
