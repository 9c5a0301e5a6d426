#include "verify/checksum_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/quote_name.h"
#include "shardfs/source/file_source.h"

namespace shardfs {
namespace {

constexpr std::size_t kDigits = 64;

// Returns the digest in lower case; nothing where it is no SHA-256.
std::optional<std::string> DigestFrom(std::string_view text) {
  if (text.size() != kDigits || text.find_first_not_of("0123456789abcdefABCDEF") != text.npos) return std::nullopt;
  std::string digest(text);
  for (char& c : digest) c = static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  return digest;
}

std::string Escape(std::string_view path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\r') {
      escaped += "\\r";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string Unescape(std::string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      path += text[i];
      continue;
    }
    const char c = text[++i];
    path += c == 'n' ? '\n' : c == 'r' ? '\r' : c;
  }
  return path;
}

// "DIGEST  PATH", "DIGEST *PATH"
std::optional<Checksum> ParsePlain(std::string_view line) {
  if (line.size() < kDigits + 3 || line[kDigits] != ' ' || (line[kDigits + 1] != ' ' && line[kDigits + 1] != '*')) {
    return std::nullopt;
  }
  const auto digest = DigestFrom(line.substr(0, kDigits));
  if (!digest) return std::nullopt;
  return Checksum{std::string(line.substr(kDigits + 2)), *digest};
}

// "SHA256 (PATH) = DIGEST"
std::optional<Checksum> ParseTagged(std::string_view line) {
  constexpr std::string_view kTag = "SHA256 (";
  constexpr std::string_view kEnd = ") = ";
  if (!line.starts_with(kTag) || line.size() < kTag.size() + 1 + kEnd.size() + kDigits) return std::nullopt;
  const std::size_t end = line.size() - kDigits - kEnd.size();
  const auto digest = DigestFrom(line.substr(line.size() - kDigits));
  if (!digest || line.substr(end, kEnd.size()) != kEnd) return std::nullopt;
  return Checksum{std::string(line.substr(kTag.size(), end - kTag.size())), *digest};
}

std::optional<Checksum> ParseLine(std::string_view line) {
  const bool is_escaped = line.starts_with('\\');
  if (is_escaped) line.remove_prefix(1);
  std::optional<Checksum> checksum = line.starts_with("SHA256 (") ? ParseTagged(line) : ParsePlain(line);
  if (checksum && is_escaped) checksum->path = Unescape(checksum->path);
  return checksum;
}

}  // namespace

Result<ChecksumList> ChecksumList::Parse(std::string_view text, std::string_view what) {
  ChecksumList list;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    std::optional<Checksum> checksum = ParseLine(line);
    if (!checksum) {
      return Status::InvalidArgument(
          fmt::format("line {} of {} is not one of sha256sum (64 hexadecimal digits, two spaces, a path): {}; make the "
                      "manifest with --save, or with sha256sum in the directory",
                      number, what, QuoteName(line)));
    }
    while (checksum->path.starts_with("./")) checksum->path.erase(0, 2);
    if (!IsPlainPath(checksum->path)) {
      return Status::InvalidArgument(fmt::format(
          "line {} of {} names {}, which is no path below the directory that is checked; make the manifest there",
          number, what, QuoteName(checksum->path)));
    }
    list.entries.push_back(std::move(*checksum));
  }
  std::stable_sort(list.entries.begin(), list.entries.end(),
                   [](const Checksum& a, const Checksum& b) { return a.path < b.path; });
  for (std::size_t i = 1; i < list.entries.size(); ++i) {
    if (list.entries[i - 1].path != list.entries[i].path) continue;
    if (list.entries[i - 1].sha256 == list.entries[i].sha256) continue;
    return Status::InvalidArgument(fmt::format("{} gives {} two digests, {} and {}", what,
                                               QuoteName(list.entries[i].path), list.entries[i - 1].sha256,
                                               list.entries[i].sha256));
  }
  const auto same = [](const Checksum& a, const Checksum& b) { return a.path == b.path; };
  list.entries.erase(std::unique(list.entries.begin(), list.entries.end(), same), list.entries.end());
  if (list.entries.empty()) {
    return Status::InvalidArgument(fmt::format("{} names no file; make the manifest with --save", what));
  }
  return list;
}

std::string ChecksumList::Serialize() const {
  std::string text;
  for (const Checksum& entry : entries) {
    const std::string escaped = Escape(entry.path);
    text += fmt::format("{}{}  {}\n", escaped == entry.path ? "" : "\\", entry.sha256, escaped);
  }
  return text;
}

const Checksum* ChecksumList::Find(std::string_view path) const {
  const auto found = std::lower_bound(entries.begin(), entries.end(), path,
                                      [](const Checksum& entry, std::string_view key) { return entry.path < key; });
  return found == entries.end() || found->path != path ? nullptr : &*found;
}

}  // namespace shardfs
