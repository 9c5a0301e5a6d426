// Trying what another user's process will do, instead of reasoning about modes: group lists, access control lists,
// directories above and mounts without allow_other all count, and only the kernel knows them all.
//
// Forks, so it is called before any thread is started.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

// A user as a login makes them: the primary group and all others. A uid that the system's list does not have gets the
// group of the same number.
struct UserGroups {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // gid among them
};
UserGroups GroupsOf(uid_t uid);

// Whether this process can act as `uid`: as its own user, and as any when it is root.
bool CanActAs(uid_t uid);

// What `work` returns in a child process that has become `user`. kIoError when it cannot become that user, or ends
// without an answer.
Result<std::string> ActAs(const UserGroups& user, const std::function<std::string()>& work);

// Something that could not be opened.
struct OpenFailure {
  std::string path;
  int error_number = 0;
};

// Opens, as this process's user, `directory`, the files in it, the folders named, and the files in these; hidden names
// are left out. What does not exist is not a failure. Where a directory above cannot be entered, it is the failure.
std::vector<OpenFailure> TryToOpen(const std::string& directory, const std::vector<std::string>& folders);

// The first of the directories from the root to `path`, `path` included, that `user` may not pass, as far as owners and
// modes say; empty when there is none. For where the user cannot be tried.
std::string ClosedByMode(const std::string& path, const UserGroups& user);

}  // namespace shardfs
