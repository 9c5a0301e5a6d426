#include "base/mount_table.h"

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/text_file.h"

namespace shardfs {
namespace {

// Spaces, tabs, newlines and backslashes are written as a backslash and three octal digits.
std::string DecodeEscapes(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && is_octal(i + 1) && is_octal(i + 2) && is_octal(i + 3)) {
      decoded += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool ParseNumber(std::string_view text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// "ro,user_id=1000,group_id=1000": 1000
std::optional<std::uint32_t> UserOf(std::string_view super_options) {
  constexpr std::string_view kName = "user_id=";
  for (std::string_view option : Split(super_options, ',')) {
    std::uint32_t user = 0;
    if (option.starts_with(kName) && ParseNumber(option.substr(kName.size()), user)) return user;
  }
  return std::nullopt;
}

// "36 35 98:0 /root /mount/point options [optional fields] - type source super-options" (proc_pid_mountinfo(5))
std::optional<MountEntry> ParseLine(std::string_view line) {
  const std::vector<std::string_view> fields = Split(line, ' ');
  std::size_t dash = 6;
  while (dash < fields.size() && fields[dash] != "-") ++dash;
  if (dash + 2 >= fields.size()) return std::nullopt;

  MountEntry entry;
  const std::vector<std::string_view> device = Split(fields[2], ':');
  if (device.size() != 2 || !ParseNumber(device[0], entry.device_major) ||
      !ParseNumber(device[1], entry.device_minor)) {
    return std::nullopt;
  }
  entry.mount_point = DecodeEscapes(fields[4]);
  entry.options = fields[5];
  entry.type = fields[dash + 1];
  entry.source = DecodeEscapes(fields[dash + 2]);
  if (dash + 3 < fields.size()) entry.user = UserOf(fields[dash + 3]);
  return entry;
}

Result<std::string> RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return Status::FromErrno(errno, path);
  return std::string(resolved);
}

// Compares the texts alone, since a mount that one looks at may hang.
bool HasPrefix(const std::string& path, const std::string& mount_point) {
  if (!path.starts_with(mount_point)) return false;
  return path.size() == mount_point.size() || mount_point == "/" || path[mount_point.size()] == '/';
}

}  // namespace

std::vector<MountEntry> ParseMountTable(std::string_view text) {
  std::vector<MountEntry> entries;
  for (const std::string_view line : Split(text, '\n')) {
    if (std::optional<MountEntry> entry = ParseLine(line)) entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<std::vector<MountEntry>> ReadMountTable() {
  std::ifstream file("/proc/self/mountinfo", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text.empty())
    return Status::IoError("/proc/self/mountinfo cannot be read, so mounts are unknown; is /proc mounted?");
  return ParseMountTable(text);
}

Result<std::optional<MountEntry>> FindMount(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(std::vector<MountEntry> entries, ReadMountTable());
  // Later lines are mounted over earlier ones.
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->mount_point == path) return std::optional<MountEntry>(std::move(*entry));
  }
  return std::optional<MountEntry>();
}

Result<std::string> CanonicalMountPath(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const std::size_t slash = trimmed.rfind('/');
  const std::string name = slash == std::string::npos ? trimmed : trimmed.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return RealPath(trimmed);

  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : trimmed.substr(0, slash);
  SHARDFS_ASSIGN_OR_RETURN(std::string canonical, RealPath(parent));
  if (canonical.back() != '/') canonical += '/';
  return canonical + name;
}

std::optional<MountWithOptions> MountOf(const std::string& path, const std::string& root) {
  const auto text = ReadTextFile(root + "/proc/self/mountinfo");
  std::optional<MountWithOptions> found;
  std::istringstream lines(text.ok() ? *text : "");
  for (std::string line; std::getline(lines, line);) {
    auto entries = ParseMountTable(line);
    if (entries.empty() || !HasPrefix(path, entries.front().mount_point)) continue;
    // The last of several mounts on one place is on top.
    if (found && entries.front().mount_point.size() < found->entry.mount_point.size()) continue;
    found = {std::move(entries.front()), line.substr(line.rfind(' ') + 1)};
  }
  return found;
}

}  // namespace shardfs
