#include "fuse/fusermount.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/environment_variable.h"
#include "base/install_command.h"
#include "base/pass_descriptor.h"

namespace shardfs {
namespace {

constexpr int kInheritedAs = 3;
constexpr const char* kSocketVariable = "_FUSE_COMMFD";

std::optional<std::string> FindProgram(const std::string& name) {
  std::string folders = "/usr/bin:" + EnvironmentVariable("PATH").value_or("/bin");
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string path = folders.substr(begin, end - begin) + "/" + name;
    if (path.front() == '/' && end != begin && ::access(path.c_str(), X_OK) == 0) return path;
    begin = end + 1;
  }
  return std::nullopt;
}

// The environment of this process, with the variable that names the socket.
std::vector<std::string> EnvironmentWithSocket() {
  std::vector<std::string> environment;
  const std::string prefix = std::string(kSocketVariable) + "=";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(prefix)) environment.emplace_back(*entry);
  }
  environment.push_back(prefix + std::to_string(kInheritedAs));
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<Fusermount> FindFusermount() {
  if (const auto path = FindProgram("fusermount3")) return Fusermount{*path, false};
  if (const auto path = FindProgram("fusermount")) return Fusermount{*path, true};
  return Status::IoError("fusermount3 is not installed, and without it only root can mount and unmount; " +
                              InstallCommand("fuse3") + ", as root");
}

Result<pid_t> StartFusermount(const Fusermount& program, const std::vector<std::string>& arguments,
                              const FileDescriptor& inherited) {
  std::vector<std::string> words = {program.path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = EnvironmentWithSocket();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (inherited.valid()) ::posix_spawn_file_actions_adddup2(&actions, inherited.get(), kInheritedAs);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.path.c_str(), &actions, nullptr, Pointers(words).data(),
                                  inherited.valid() ? Pointers(environment).data() : environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Status::FromErrno(error, "cannot run " + program.path);
  return pid;
}

Result<int> WaitForFusermount(pid_t pid) {
  int wait_status = 0;
  while (::waitpid(pid, &wait_status, 0) < 0) {
    if (errno != EINTR) return Status::FromErrno(errno, "cannot wait for fusermount");
  }
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

Result<FileDescriptor> MountByFusermount(const Fusermount& program, const std::string& options,
                                         const std::string& mount_point) {
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Status::FromErrno(errno, "cannot make the socket that " + program.path + " answers on");
  }
  const FileDescriptor ours(ends[0]);
  FileDescriptor its(ends[1]);
  SHARDFS_ASSIGN_OR_RETURN(const pid_t pid, StartFusermount(program, {"-o", options, "--", mount_point}, its));
  its = FileDescriptor();  // so that receiving ends when the program does
  std::optional<FileDescriptor> device;
  do {
    device = ReceiveDescriptor(ours, 0);
  } while (!device && errno == EINTR);
  SHARDFS_ASSIGN_OR_RETURN(const int code, WaitForFusermount(pid));
  if (!device || !device->valid()) {
    return Status::IoError(program.path + " refused (exit code " + std::to_string(code) + "); its reason stands above");
  }
  return *std::move(device);
}

}  // namespace shardfs
