#include "service/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/user_names.h"

namespace shardfs {

Result<Account> ParseAccount(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string user = text.substr(0, colon);
  const Result<uid_t> uid = ParseUser(user);
  if (!uid.ok()) return uid.status().WithContext("--run-as");
  Account account;
  account.uid = *uid;
  if (account.uid == 0) {
    return Status::InvalidArgument("--run-as: user '" + user + "' is root; name one with fewer privileges");
  }
  if (colon != std::string::npos) {
    const Result<gid_t> gid = ParseGroup(text.substr(colon + 1));
    if (!gid.ok()) return gid.status().WithContext("--run-as");
    account.gid = *gid;
    return account;
  }
  const passwd* entry = ::getpwuid(account.uid);
  if (entry == nullptr) {
    return Status::InvalidArgument("--run-as: user " + user + " is not in the system's list, so its group is not " +
                                   "known; write " + user + ":GROUP");
  }
  account.gid = entry->pw_gid;
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
