#include "cli/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
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

Result<Account> ParseAccount(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string user = text.substr(0, colon);
  const std::optional<uid_t> number = ParseId<uid_t>(user);
  const passwd* entry = number ? ::getpwuid(*number) : ::getpwnam(user.c_str());
  if (!number && entry == nullptr) return Status::InvalidArgument("--run-as: there is no user '" + user + "'");

  Account account;
  account.uid = number ? *number : entry->pw_uid;
  if (account.uid == 0) {
    return Status::InvalidArgument("--run-as: user '" + user + "' is root; name one with fewer privileges");
  }
  if (colon == std::string::npos) {
    if (entry == nullptr) {
      return Status::InvalidArgument("--run-as: user " + user + " is not in the system's list, so its group is not " +
                                     "known; write " + user + ":GROUP");
    }
    account.gid = entry->pw_gid;
    return account;
  }
  const std::string group = text.substr(colon + 1);
  if (const std::optional<gid_t> gid = ParseId<gid_t>(group)) {
    account.gid = *gid;
  } else if (const ::group* found = ::getgrnam(group.c_str())) {
    account.gid = found->gr_gid;
  } else {
    return Status::InvalidArgument("--run-as: there is no group '" + group + "'");
  }
  return account;
}

Status ForbidNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return Status::Ok();
  return Status::FromErrno(errno, "cannot forbid new privileges");
}

// The C library makes these calls in every thread.
Status DropPrivileges(const Account& account) {
  const auto failed = [&account](const char* what) {
    return Status::FromErrno(errno, "cannot become user " + std::to_string(account.uid) + ":" +
                                        std::to_string(account.gid) + " (" + what + ")");
  };
  if (::setgroups(1, &account.gid) != 0) return failed("setgroups");
  if (::setresgid(account.gid, account.gid, account.gid) != 0) return failed("setresgid");
  if (::setresuid(account.uid, account.uid, account.uid) != 0) return failed("setresuid");
  // The kernel has done this with the change of user, unless fs.suid_dumpable says otherwise.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE");
  if (::setresuid(static_cast<uid_t>(-1), 0, static_cast<uid_t>(-1)) == 0) {
    return Status::IoError("root can be had back after it was given up; the system keeps capabilities");
  }
  return Status::Ok();
}

}  // namespace shardfs
