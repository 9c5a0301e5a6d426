// The command and its daemon must come to the same end: a mount that the command has announced by ending with exit code
// 0 stays, and every other one goes. Two pipes see to that, one each way:
//
//   1. The daemon, once its work answers, writes "R" and waits for an answer.
//   2. The command checks the work, writes "S" (stay), and ends at once.
//   3. A command that ends in any other way (its check failed, a signal ended it, SIGKILL too) closes its pipe without
//      an "S". The daemon, which reads the end of the pipe or cannot write its "R", sends itself SIGTERM and undoes its
//      work.
//
// The command takes signals from a descriptor, so none can end it between its "S" and its end. Before the daemon begins
// to mount, the death of the command ends it at once (EndWithParent).
#include "service/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "console/output.h"
#include "service/parent_death.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

constexpr char kReady = 'R';
constexpr char kStay = 'S';

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};

bool Open(Pipe& pipe) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe = {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  return true;
}

// Whether one byte came, and not the end.
bool ReadByte(const FileDescriptor& file) {
  char byte = 0;
  ssize_t count = 0;
  do {
    count = ::read(file.get(), &byte, 1);
  } while (count < 0 && errno == EINTR);
  return count == 1;
}

// The daemon's ends.
struct Line {
  FileDescriptor ready;   // "R" goes there
  FileDescriptor answer;  // "S" comes from there
};

void TellReady(Line& line) {
  OutliveParent();
  LeaveTerminal();
  const bool announced = ::write(line.ready.get(), &kReady, 1) == 1 && ReadByte(line.answer);
  if (!announced) ::kill(::getpid(), SIGTERM);
  line = {};
}

// The command's side: a child that is about to serve, and what the command hears of it.
class Command {
 public:
  Command(pid_t child, FileDescriptor ready, FileDescriptor answer, FileDescriptor signals, const sigset_t& before)
      : child_(child),
        ready_(std::move(ready)),
        answer_(std::move(answer)),
        signals_(std::move(signals)),
        signals_before_(before) {}
  ~Command() { ::sigprocmask(SIG_SETMASK, &signals_before_, nullptr); }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  int Run(const std::function<Status()>& check, const std::function<void(int)>& leave) {
    if (const int signal = WaitFor(ready_)) return DieOf(signal);
    if (!ReadByte(ready_)) return ReapFailed();
    const auto checked = std::make_shared<Status>();
    const auto done = std::make_shared<FileDescriptor>(::eventfd(0, EFD_CLOEXEC));
    StartCheck([check, checked, done] {
      *checked = check();
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(done->get(), &one, sizeof one);
    });
    if (const int signal = WaitFor(*done)) return DieOf(signal);
    if (checked->ok()) return Announce(leave);
    EndChild();
    return ExitCodeOf(*checked);
  }

 private:
  // Runs `check` in a thread that can be left behind, because it may not answer; and in this one where the system gives
  // no further thread: then a signal waits for the answer.
  static void StartCheck(const std::function<void()>& check) {
    try {
      std::thread(check).detach();
    } catch (const std::system_error&) {
      check();
    }
  }

  // 0 once `file` can be read; the number of a signal that came first.
  int WaitFor(const FileDescriptor& file) const {
    pollfd events[] = {{file.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    for (;;) {
      if (::poll(events, 2, -1) < 0) continue;  // interrupted
      signalfd_siginfo signal{};
      if (events[1].revents != 0 && ::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
        return static_cast<int>(signal.ssi_signo);
      }
      if (events[0].revents != 0) return 0;
    }
  }

  int Announce(const std::function<void(int)>& leave) {
    std::cout.flush();
    std::fflush(nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    if (::write(answer_.get(), &kStay, 1) != 1) return ReapFailed();
    leave(0);
    return 0;
  }

  // The exit code for a child that ended before its work was announced.
  int ReapFailed() const {
    int wait_status = 0;
    while (::waitpid(child_, &wait_status, 0) < 0) {
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

  // A child that does not end in this time (its source hangs) ends when it can; a second signal ends the wait.
  void EndChild() {
    constexpr std::chrono::seconds kPatience{10};
    constexpr int kPauseMs = 5;
    answer_ = FileDescriptor();  // a child that waits for an answer reads the end
    ::kill(child_, SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    pollfd event{signals_.get(), POLLIN, 0};
    while (std::chrono::steady_clock::now() < deadline) {
      const pid_t ended = ::waitpid(child_, nullptr, WNOHANG);
      if (ended == child_ || (ended < 0 && errno != EINTR)) return;
      if (::poll(&event, 1, kPauseMs) > 0) return;
    }
  }

  int DieOf(int signal) {
    EndChild();
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    ::sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
    return 1;  // the signal was blocked when the command was started
  }

  pid_t child_;
  FileDescriptor ready_;
  FileDescriptor answer_;
  FileDescriptor signals_;
  sigset_t signals_before_;
};

// Those that end a process, but for the ones that this process was started to ignore (nohup).
sigset_t EndingSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) ::sigaddset(&set, number);
  }
  return set;
}

}  // namespace

void LeaveTerminal() {
  ::setsid();
  if (::chdir("/") != 0) PrintWarning("cannot change to /, so the directory of the mount command stays in use");
  const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), stream);
}

int RunAsDaemon(const std::function<int(ReadyNotifier)>& serve, const std::function<Status()>& check,
                const std::function<void(int)>& leave) {
  ::signal(SIGCHLD, SIG_DFL);  // the caller may have it ignored, and then no child can be waited for
  Pipe ready;
  Pipe answer;
  if (!Open(ready) || !Open(answer)) return ExitCodeOf(Status::FromErrno(errno, "cannot make a pipe"));
  const sigset_t set = EndingSignals();
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &set, &before);
  FileDescriptor signals(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!signals.valid()) return ExitCodeOf(Status::FromErrno(errno, "cannot watch for signals"));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return ExitCodeOf(Status::FromErrno(errno, "cannot start the daemon"));
  if (child != 0) {
    ready.write_end = FileDescriptor();
    answer.read_end = FileDescriptor();
    return Command(child, std::move(ready.read_end), std::move(answer.write_end), std::move(signals), before)
        .Run(check, leave);
  }
  signals = FileDescriptor();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  // Out of the command's process group before anything is mounted: a signal to the whole group (Ctrl-\, timeout(1))
  // would end this process as well, and leave a dead mount. The end of the command is heard of by the pipes.
  ::setsid();
  EndWithParent(parent);
  ::signal(SIGPIPE, SIG_IGN);
  auto line = std::make_shared<Line>(Line{std::move(ready.write_end), std::move(answer.read_end)});
  ready = {};
  answer = {};
  return serve([line = std::move(line)] { TellReady(*line); });
}

}  // namespace shardfs
