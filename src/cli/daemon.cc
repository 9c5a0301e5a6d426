#include "cli/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "cli/output.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

void Detach(FileDescriptor& ready_pipe) {
  LeaveTerminal();
  // Nobody to hear it means that the command was killed: a mount that nobody was told of must not stay.
  if (::write(ready_pipe.get(), "R", 1) != 1) ::kill(::getpid(), SIGTERM);
  ready_pipe = FileDescriptor();
}

// The exit code for a child that ended before it was ready.
int ReapFailed(pid_t child) {
  int wait_status = 0;
  while (::waitpid(child, &wait_status, 0) < 0) {
    if (errno != EINTR) return ExitCodeOf(Status::FromErrno(errno, "cannot wait for the daemon"));
  }
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    PrintError("the daemon was killed by signal " + std::to_string(number) + " (" + ::strsignal(number) +
               ") before the mount was ready");
    return 1;
  }
  if (WEXITSTATUS(wait_status) != 0) return WEXITSTATUS(wait_status);
  PrintError("the daemon ended before the mount was ready");
  return 1;
}

int WaitUntilReady(pid_t child, const FileDescriptor& ready_pipe, const std::function<Status()>& check) {
  char byte = 0;
  ssize_t count = 0;
  do {
    count = ::read(ready_pipe.get(), &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count != 1) return ReapFailed(child);
  const Status status = check();
  if (status.ok()) return 0;
  ::kill(child, SIGTERM);
  ::waitpid(child, nullptr, 0);
  return ExitCodeOf(status);
}

}  // namespace

void LeaveTerminal() {
  ::setsid();
  if (::chdir("/") != 0) PrintWarning("cannot change to /, so the directory of the mount command stays in use");
  const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), stream);
}

int RunAsDaemon(const std::function<int(const ReadyNotifier&)>& serve, const std::function<Status()>& check) {
  ::signal(SIGCHLD, SIG_DFL);  // who starts us may have it ignored, and then no child can be waited for
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ExitCodeOf(Status::FromErrno(errno, "cannot make a pipe"));
  FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return ExitCodeOf(Status::FromErrno(errno, "cannot start the daemon"));
  if (child != 0) {
    write_end = FileDescriptor();
    return WaitUntilReady(child, read_end, check);
  }
  read_end = FileDescriptor();
  ::signal(SIGPIPE, SIG_IGN);
  return serve([&write_end] { Detach(write_end); });
}

}  // namespace shardfs
