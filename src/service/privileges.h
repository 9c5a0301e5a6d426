// Giving up root once everything that needs it is done.
#pragma once

#include <sys/types.h>

#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

// "USER" or "USER:GROUP", each a name or a number; without a group, that of the user. kInvalidArgument when there is no
// such user or group, when the group is not known, and for uid 0, which would give up nothing.
Result<Account> ParseAccount(const std::string& text);

// No program that this process or its descendants start gains privileges any more (set-uid programs do not work).
// Before any other thread is started.
Status ForbidNewPrivileges();

// Makes all threads of the process those of `account`, with no other group and no capability, for good. What is open
// stays open. The process cannot be traced nor dump core afterwards, so that other processes of that user do not come
// by the files that root has opened for it.
Status DropPrivileges(const Account& account);

}  // namespace shardfs
