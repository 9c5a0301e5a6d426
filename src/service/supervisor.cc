#include "service/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "console/output.h"
#include "service/parent_death.h"
#include "fuse/dead_mount.h"
#include "base/mount_table.h"
#include "fuse/unmount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

constexpr char kReady = 'R';  // from the server

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

// The parent's side of the pair of sockets and what it listens to besides.
struct Watched {
  FileDescriptor signals;
  FileDescriptor server;
};

// What SIGHUP asks for, by the signal itself or by the server that got it.
void Hangup(OnHangup on_hangup, pid_t child, const FileDescriptor& server) {
  if (on_hangup == OnHangup::kStop) {
    ::kill(child, SIGHUP);
  } else {
    LogRotation::ReopenFor(server);
  }
}

// Waits for the child to end and passes signals on in the meantime; its exit code.
int WaitFor(pid_t child, OnHangup on_hangup, const Watched& watched, const ReadyNotifier& on_ready) {
  pollfd events[] = {{watched.signals.get(), POLLIN, 0}, {watched.server.get(), POLLIN, 0}};
  bool was_ready = false;
  for (;;) {
    int wait_status = 0;
    const pid_t ended = ::waitpid(child, &wait_status, WNOHANG);
    if (ended == child) return ExitCodeOfChild(wait_status, was_ready);
    if (ended < 0 && errno != EINTR) return ExitCodeOf(Status::FromErrno(errno, "cannot wait for the server"));
    if (::poll(events, 2, -1) < 0) continue;  // interrupted
    signalfd_siginfo signal{};
    if (events[0].revents != 0 && ::read(watched.signals.get(), &signal, sizeof signal) == sizeof signal) {
      const int number = static_cast<int>(signal.ssi_signo);
      if (number == SIGHUP) Hangup(on_hangup, child, watched.server);
      if (number == SIGTERM || number == SIGINT) ::kill(child, number);
    }
    char byte = 0;
    if (events[1].revents != 0 && ::read(watched.server.get(), &byte, 1) != 1) events[1].fd = -1;  // it has ended
    if (byte == LogRotation::kAsk) Hangup(on_hangup, child, watched.server);
    if (byte == kReady && !was_ready) {
      on_ready();
      was_ready = true;
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

int Supervise(const std::string& mount_point, OnHangup on_hangup,
              const std::function<int(const std::function<void()>& ready, LogRotation&)>& serve,
              ReadyNotifier on_ready) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ExitCodeOf(Status::FromErrno(errno, "cannot make a pair of sockets"));
  }
  Watched watched{.signals = {}, .server = FileDescriptor(ends[0])};
  FileDescriptor supervisor(ends[1]);
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&set, number);
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &set, &before);
  ::signal(SIGCHLD, SIG_DFL);
  watched.signals = FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!watched.signals.valid()) return ExitCodeOf(Status::FromErrno(errno, "cannot watch for signals"));

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return ExitCodeOf(Status::FromErrno(errno, "cannot start the server"));
  if (child == 0) {
    watched = {};
    on_ready = nullptr;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    EndWithParent(parent);
    LogRotation rotation(std::move(supervisor));
    return serve(
        [socket = rotation.descriptor()] {
          // Without a supervisor a ready server could never be unmounted.
          if (::send(socket, &kReady, 1, MSG_NOSIGNAL) != 1) ::kill(::getpid(), SIGTERM);
        },
        rotation);
  }
  supervisor = FileDescriptor();
  const int exit_code = WaitFor(child, on_hangup, watched, on_ready);
  DetachWhatIsLeft(mount_point);
  return exit_code;
}

}  // namespace shardfs
