// Users and groups as people write them: by name or by number.
#pragma once

#include <sys/types.h>

#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

// The number of a user, or of a group, that is given as a name of this machine or as a number (of which nothing here
// need know). kInvalidArgument says that there is none. One thread at a time: the C library's lists are not more.
Result<uid_t> ParseUser(const std::string& text);
Result<gid_t> ParseGroup(const std::string& text);

// Has names of users and groups looked for, from now on, in /etc/passwd and /etc/group and nowhere else, whatever
// /etc/nsswitch.conf says, and the messages of a name that is not found say so. Called before main() by the statically
// linked program (src/cli/static_glibc.cc), and by nothing else.
void RestrictNamesToFiles();

}  // namespace shardfs
