#include "cli/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/output.h"
#include "fuse/dead_mount.h"
#include "fuse/mount_table.h"
#include "fuse/unmount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

// The exit code that stands for the end of the child; says so where it was a signal, to whoever still listens.
int ExitCodeOfChild(int wait_status, bool was_ready) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  const int number = WTERMSIG(wait_status);
  const std::string message =
      "the server was killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
  if (was_ready) spdlog::error("{}", message);
  if (!was_ready) PrintError(message);
  return 1;
}

// Waits for the child to end and passes signals on in the meantime; its exit code.
int WaitFor(pid_t child, const FileDescriptor& signals, const FileDescriptor& ready, const ReadyNotifier& on_ready) {
  pollfd events[] = {{signals.get(), POLLIN, 0}, {ready.get(), POLLIN, 0}};
  bool was_ready = false;
  for (;;) {
    int wait_status = 0;
    const pid_t ended = ::waitpid(child, &wait_status, WNOHANG);
    if (ended == child) return ExitCodeOfChild(wait_status, was_ready);
    if (ended < 0 && errno != EINTR) return ExitCodeOf(Status::FromErrno(errno, "cannot wait for the server"));
    if (::poll(events, 2, -1) < 0) continue;  // interrupted
    signalfd_siginfo signal{};
    if (events[0].revents != 0 && ::read(signals.get(), &signal, sizeof signal) == sizeof signal &&
        signal.ssi_signo != SIGCHLD) {
      ::kill(child, static_cast<int>(signal.ssi_signo));
    }
    if (events[1].revents != 0) {
      char byte = 0;
      if (::read(ready.get(), &byte, 1) == 1) {
        on_ready();
        was_ready = true;
      }
      events[1].fd = -1;  // nothing comes after the one byte or the end
    }
  }
}

// A mount that lives is another one: that of a child which has ended is dead.
void DetachWhatIsLeft(const std::string& mount_point) {
  const Result<std::optional<MountEntry>> mounted = FindMount(mount_point);
  if (!mounted.ok() || !*mounted || (*mounted)->type != kShardfsType || !IsDeadMount(mount_point)) return;
  const Status status = Unmount(mount_point, UnmountMode::kLazy);
  if (!status.ok()) spdlog::error("{}", status.message());
}

}  // namespace

int Supervise(const std::string& mount_point, const std::function<int(const ReadyNotifier&)>& serve,
              const ReadyNotifier& on_ready) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ExitCodeOf(Status::FromErrno(errno, "cannot make a pipe"));
  FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&set, number);
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &set, &before);
  ::signal(SIGCHLD, SIG_DFL);
  FileDescriptor signals(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!signals.valid()) return ExitCodeOf(Status::FromErrno(errno, "cannot watch for signals"));

  const pid_t child = ::fork();
  if (child < 0) return ExitCodeOf(Status::FromErrno(errno, "cannot start the server"));
  if (child == 0) {
    read_end = FileDescriptor();
    signals = FileDescriptor();
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    return serve([&write_end] {
      // Fails only when the parent is gone, and then nobody is left to be told.
      [[maybe_unused]] const ssize_t written = ::write(write_end.get(), "R", 1);
      write_end = FileDescriptor();
    });
  }
  write_end = FileDescriptor();
  const int exit_code = WaitFor(child, signals, read_end, on_ready);
  DetachWhatIsLeft(mount_point);
  return exit_code;
}

}  // namespace shardfs
