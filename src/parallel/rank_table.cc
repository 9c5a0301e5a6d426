#include "shardfs/parallel/rank_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxRankTableBytes = 100u << 20;

std::optional<std::int64_t> CountOf(const JsonValue& value) {
  if (const auto number = value.AsInt64()) return number;
  const auto text = value.AsString();
  if (!text) return std::nullopt;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return count;
}

}  // namespace

Result<std::int64_t> ParseRankTableServerCount(std::string_view json, std::string_view what) {
  auto document = ParseJson(json, what, {.max_bytes = kMaxRankTableBytes, .max_depth = 16});
  // A rank table is configuration, not source: whatever is wrong with it, the command is what has to change.
  if (!document.ok()) return Status::InvalidArgument(std::string(document.status().message()));
  if (!document->is_object()) return Status::InvalidArgument(fmt::format("rank table {} is no JSON object", what));
  const JsonValue* member = document->Find("server_count");
  if (member == nullptr) {
    return Status::InvalidArgument(fmt::format("rank table {} has no \"server_count\"", what));
  }
  const auto count = CountOf(*member);
  if (!count || *count < 1) {
    return Status::InvalidArgument(
        fmt::format("\"server_count\" of rank table {} is \"{}\", not a positive number", what, member->text()));
  }
  const JsonValue* servers = document->Find("server_list");
  if (servers != nullptr && !servers->is_array()) {
    return Status::InvalidArgument(fmt::format("\"server_list\" of rank table {} is not an array", what));
  }
  if (servers != nullptr && servers->items().size() != static_cast<std::uint64_t>(*count)) {
    return Status::InvalidArgument(
        fmt::format("rank table {} has \"server_count\" {} but {} entries in \"server_list\"", what, *count,
                    servers->items().size()));
  }
  return *count;
}

Result<std::int64_t> ReadRankTableServerCount(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid())
    return Status::InvalidArgument(std::string(Status::FromErrno(errno, "rank table " + path).message()));
  std::string content;
  char buffer[64 << 10];
  while (content.size() <= kMaxRankTableBytes) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return Status::InvalidArgument(std::string(Status::FromErrno(errno, "rank table " + path).message()));
    }
    if (count == 0) break;
    content.append(buffer, static_cast<std::size_t>(count));
  }
  return ParseRankTableServerCount(content, path);
}

}  // namespace shardfs
