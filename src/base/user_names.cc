#include "base/user_names.h"

#include <grp.h>
#include <nss.h>
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

bool restricted_to_files = false;

// `what` is "user" or "group", `list` the database's name in getent(1).
Status NotThere(const std::string& what, const std::string& name, const std::string& list) {
  if (!restricted_to_files) {
    return Status::InvalidArgument("there is no " + what + " '" + name + "' on this machine; give a " + what +
                                   "'s name or number");
  }
  return Status::InvalidArgument("there is no " + what + " '" + name + "' in /etc/" + list +
                                 ", and this program, which is linked statically, asks neither LDAP nor SSSD; give the " +
                                 "number, which `getent " + list + " " + name + "` shows");
}

}  // namespace

void RestrictNamesToFiles() {
  for (const char* list : {"passwd", "group", "initgroups"}) ::__nss_configure_lookup(list, "files");
  restricted_to_files = true;
}

Result<uid_t> ParseUser(const std::string& text) {
  if (const std::optional<uid_t> number = ParseId<uid_t>(text)) return *number;
  if (const passwd* entry = ::getpwnam(text.c_str())) return entry->pw_uid;
  return NotThere("user", text, "passwd");
}

Result<gid_t> ParseGroup(const std::string& text) {
  if (const std::optional<gid_t> number = ParseId<gid_t>(text)) return *number;
  if (const group* entry = ::getgrnam(text.c_str())) return entry->gr_gid;
  return NotThere("group", text, "group");
}

}  // namespace shardfs
