#include "service/stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

#include "console/output.h"
#include "fuse/unmount.h"

namespace shardfs {
namespace {

constexpr std::chrono::milliseconds kPatience{4000};

std::system_error LastError(const char* what) { return {errno, std::generic_category(), what}; }

}  // namespace

StopSignals::StopSignals(LogRotation* rotation) : rotation_(rotation) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC));
  finished_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.valid() || !finished_.valid()) throw LastError("cannot watch for signals");
  watcher_ = std::thread([this] { Watch(); });
}

StopSignals::~StopSignals() {
  const std::uint64_t one = 1;
  // Cannot fail: the counter is far from full.
  [[maybe_unused]] const ssize_t written = ::write(finished_.get(), &one, sizeof one);
  watcher_.join();
}

void StopSignals::Attach(FuseSession& session, const std::string& mount_point) {
  const std::lock_guard lock(mutex_);
  session_ = &session;
  mount_point_ = mount_point;
}

void StopSignals::Detach() {
  const std::lock_guard lock(mutex_);
  session_ = nullptr;
  has_ended_ = true;
}

bool StopSignals::Finished(int timeout_ms) const {
  pollfd event{finished_.get(), POLLIN, 0};
  return ::poll(&event, 1, timeout_ms) == 1;
}

void StopSignals::CutConnection() {
  const std::lock_guard lock(mutex_);
  if (session_ != nullptr) session_->CutConnection();
}

void StopSignals::Watch() {
  if (WaitForStop()) Stop();
}

// False when the destructor has begun.
bool StopSignals::WaitForStop() {
  for (;;) {
    pollfd events[] = {{finished_.get(), POLLIN, 0},
                       {signals_.get(), POLLIN, 0},
                       {rotation_ != nullptr ? rotation_->descriptor() : -1, POLLIN, 0}};
    if (::poll(events, 3, -1) < 0) continue;  // interrupted
    if (events[2].revents != 0) rotation_->OnMessage();
    signalfd_siginfo signal{};
    if (events[1].revents != 0 && ::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      if (rotation_ == nullptr || signal.ssi_signo != SIGHUP) return true;
      rotation_->OnHangup();
    }
    if (events[0].revents != 0) return false;
  }
}

void StopSignals::Stop() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto left = [deadline] {
    const auto until = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return std::max(until, std::chrono::milliseconds::zero());
  };
  std::string mount_point;
  bool may_unmount = false;
  {
    const std::lock_guard lock(mutex_);
    if (has_ended_) return;  // unmounted before the signal came; the process is about to end as it should
    if (session_ == nullptr) {
      PrintError("stopped by a signal before the mount was ready");
      ::_exit(1);
    }
    session_->Stop(left());
    mount_point = mount_point_;
    may_unmount = session_->MayUnmount();
  }
  if (Finished(static_cast<int>(left().count()))) return;
  const Status status = may_unmount ? Unmount(mount_point, UnmountMode::kLazy) : Status::Ok();
  CutConnection();
  spdlog::error("reads from the source hang, so the mount on {} is given up{}{}", mount_point, status.ok() ? "" : ": ",
                status.message());
  ::_exit(1);
}

}  // namespace shardfs
