#include "base/user_names.h"

#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace shardfs {
namespace {

// Not the largest, which means "leave as it is" to the system calls.
template <typename Id>
std::optional<Id> ParseId(std::string_view text) {
  Id id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id == static_cast<Id>(-1)) return std::nullopt;
  return id;
}

}  // namespace

Result<uid_t> ParseUser(const std::string& text) {
  if (const std::optional<uid_t> number = ParseId<uid_t>(text)) return *number;
  if (const passwd* entry = ::getpwnam(text.c_str())) return entry->pw_uid;
  return Status::InvalidArgument("there is no user '" + text + "' on this machine; give a user's name or number");
}

Result<gid_t> ParseGroup(const std::string& text) {
  if (const std::optional<gid_t> number = ParseId<gid_t>(text)) return *number;
  if (const group* entry = ::getgrnam(text.c_str())) return entry->gr_gid;
  return Status::InvalidArgument("there is no group '" + text + "' on this machine; give a group's name or number");
}

}  // namespace shardfs
