#include "base/open_as_user.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

Status Become(const UserGroups& user) {
  if (::geteuid() != 0 || user.uid == ::geteuid()) return Status::Ok();
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) return Status::FromErrno(errno, "setgroups");
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return Status::FromErrno(errno, "setresgid");
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return Status::FromErrno(errno, "setresuid");
  return Status::Ok();
}

void WriteAll(int descriptor, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t count = ::write(descriptor, text.data() + at, text.size() - at);
    if (count < 0 && errno != EINTR) return;
    if (count > 0) at += static_cast<std::size_t>(count);
  }
}

std::string ReadAll(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

// Whether `user` may pass a directory of these attributes, as far as the modes say.
bool MayPass(const struct stat& attributes, const UserGroups& user) {
  if (user.uid == 0) return true;
  if (attributes.st_uid == user.uid) return (attributes.st_mode & S_IXUSR) != 0;
  for (const gid_t group : user.groups) {
    if (attributes.st_gid == group) return (attributes.st_mode & S_IXGRP) != 0;
  }
  return (attributes.st_mode & S_IXOTH) != 0;
}

constexpr int kCannotBecome = 3;

class Opener {
 public:
  void OpenFilesIn(const std::string& directory) {
    if (!Try(directory, O_DIRECTORY)) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), &::closedir);
    if (entries == nullptr) return;
    while (const dirent* entry = ::readdir(entries.get())) {
      if (entry->d_name[0] == '.' || entry->d_type == DT_DIR) continue;
      Try(directory + "/" + entry->d_name, 0);
    }
  }

  // Neither waits for a FIFO's writer nor goes on past what cannot be opened.
  bool Try(const std::string& path, int flags) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | flags));
    if (file.valid()) return true;
    if (errno != ENOENT && errno != ENOTDIR && errno != ENXIO) failures_.push_back({path, errno});
    return false;
  }

  std::vector<OpenFailure> Take() { return std::move(failures_); }

 private:
  std::vector<OpenFailure> failures_;
};

// The first directory on the way to `path` that cannot be entered; empty when all can.
std::string ClosedAbove(const std::string& path) {
  fs::path above;
  for (const fs::path& part : fs::path(path)) {
    above /= part;
    // A name that cannot even be looked up is the fault of the directory before it, which was found then.
    if (::access(above.c_str(), X_OK) != 0 && errno == EACCES) return above;
  }
  return {};
}

}  // namespace

UserGroups GroupsOf(uid_t uid) {
  UserGroups user{uid, uid, {uid}};
  const passwd* const entry = ::getpwuid(uid);
  if (entry == nullptr) return user;
  user.gid = entry->pw_gid;
  int count = 64;
  user.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(entry->pw_name, user.gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(entry->pw_name, user.gid, user.groups.data(), &count);
  }
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

bool CanActAs(uid_t uid) { return ::geteuid() == 0 || ::geteuid() == uid; }

Result<std::string> ActAs(const UserGroups& user, const std::function<std::string()>& work) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Status::FromErrno(errno, "cannot make a pipe");
  FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Status::FromErrno(errno, "cannot start a process");
  if (child == 0) {
    const Status become = Become(user);
    WriteAll(writer.get(), become.ok() ? work() : std::string(become.message()));
    ::_exit(become.ok() ? 0 : kCannotBecome);
  }
  writer = FileDescriptor();
  std::string answer = ReadAll(reader.get());
  int state = 0;
  while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return answer;
  const bool refused = WIFEXITED(state) && WEXITSTATUS(state) == kCannotBecome;
  return Status::IoError("cannot act as uid " + std::to_string(user.uid) + ": " +
                         (refused ? answer : "the process that tried has ended without an answer"));
}

std::vector<OpenFailure> TryToOpen(const std::string& directory, const std::vector<std::string>& folders) {
  if (const std::string closed = ClosedAbove(directory); !closed.empty()) return {{closed, EACCES}};
  Opener opener;
  opener.OpenFilesIn(directory);
  for (const std::string& folder : folders) opener.OpenFilesIn(directory + "/" + folder);
  return opener.Take();
}

std::string ClosedByMode(const std::string& path, const UserGroups& user) {
  fs::path above;
  for (const fs::path& part : fs::path(path)) {
    above /= part;
    struct stat attributes {};
    if (::stat(above.c_str(), &attributes) == 0 && !MayPass(attributes, user)) return above;
  }
  return {};
}

}  // namespace shardfs
