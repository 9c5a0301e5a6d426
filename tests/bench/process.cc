#include "bench/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "bench/stop_request.h"

namespace shardfs::bench {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // ru_inblock's unit
constexpr std::size_t kErrorTail = 600;

std::string ContentOf(int fd) {
  std::string content;
  char buffer[65536];
  ::lseek(fd, 0, SEEK_SET);
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    content.append(buffer, static_cast<std::size_t>(got));
  }
  return content;
}

// In the child. Only system calls: the parent may have threads.
[[noreturn]] void Become(char* const* argv, int out, int error, const ProcessOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // programs that go on in the background do not inherit it
  UnblockStopSignals();
  const int in = options.standard_input >= 0 ? options.standard_input : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  bool ready = ::dup2(in, STDIN_FILENO) >= 0 && ::dup2(out, STDOUT_FILENO) >= 0 && ::dup2(error, STDERR_FILENO) >= 0;
  if (!options.cgroup_procs.empty()) {
    const int procs = ::open(options.cgroup_procs.c_str(), O_WRONLY | O_CLOEXEC);
    ready = ready && procs >= 0 && ::write(procs, "0", 1) == 1;
  }
  if (ready) ::execvp(argv[0], argv);
  ::_exit(127);
}

}  // namespace

double Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Result<Process> Process::Start(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  Process process;
  process.name_ = arguments.at(0);
  process.out_ = FileDescriptor(::memfd_create("out", MFD_CLOEXEC));
  process.error_ = FileDescriptor(::memfd_create("error", MFD_CLOEXEC));
  if (!process.out_.valid() || !process.error_.valid()) return Status::FromErrno(errno, "memfd_create");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  process.started_ = Now();
  process.pid_ = ::fork();
  if (process.pid_ < 0) return Status::FromErrno(errno, "cannot start " + process.name_);
  if (process.pid_ == 0) Become(argv.data(), process.out_.get(), process.error_.get(), options);
  process.handle_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, process.pid_, 0)));
  if (!process.handle_.valid()) return Status::FromErrno(errno, "pidfd_open");
  return process;
}

Process::Process(Process&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      started_(other.started_),
      handle_(std::move(other.handle_)),
      out_(std::move(other.out_)),
      error_(std::move(other.error_)) {}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Result<ProcessResult> Process::Wait() {
  pollfd events[] = {{handle_.get(), POLLIN, 0}, {StopDescriptor(), POLLIN, 0}};
  bool stopping = false;
  while ((events[0].revents & POLLIN) == 0) {
    if (::poll(events, stopping ? 1 : 2, -1) < 0 && errno != EINTR) return Status::FromErrno(errno, "poll");
    if (!stopping && (events[1].revents & POLLIN) != 0) {
      stopping = true;
      ::kill(pid_, SIGTERM);
    }
  }
  ProcessResult result;
  result.seconds = Now() - started_;
  int status = 0;
  rusage usage{};
  ::wait4(std::exchange(pid_, -1), &status, 0, &usage);
  if (stopping) return Stopped();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string error = ContentOf(error_.get());
    return Status::IoError(fmt::format("{} ended with {} {}: {}", name_, WIFEXITED(status) ? "exit code" : "signal",
                                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                                       error.substr(error.size() - std::min(error.size(), kErrorTail))));
  }
  result.bytes_from_disk = static_cast<std::uint64_t>(usage.ru_inblock) * kBlockBytes;
  result.out = ContentOf(out_.get());
  return result;
}

Result<ProcessResult> RunProcess(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  SHARDFS_ASSIGN_OR_RETURN(Process process, Process::Start(arguments, options));
  return process.Wait();
}

}  // namespace shardfs::bench
