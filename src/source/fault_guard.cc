#include "shardfs/source/fault_guard.h"

#include <csetjmp>
#include <csignal>
#include <cstdlib>

namespace shardfs::internal {
namespace {

// Where the innermost guard of this thread wants to be resumed; null outside of any guard. Constant-initialized, so
// that the signal handler reads it without a call that might allocate; volatile, because the handler reads it in the
// middle of a body that the compiler may believe not to touch it.
thread_local sigjmp_buf* volatile innermost = nullptr;

// ThreadSanitizer runs handlers with every signal blocked, and the jump would leave them so: the next fault would end
// the process, and the thread could not be woken to end.
#ifdef __SANITIZE_THREAD__
constexpr int kSaveMask = 1;
#else
constexpr int kSaveMask = 0;
#endif

void OnBusError(int signal, siginfo_t* info, void* /*context*/) {
  // A SIGBUS that somebody sent (kill, sigqueue) has a code of at most 0 and is no fault of the guarded access.
  sigjmp_buf* const target = info->si_code > 0 ? innermost : nullptr;
  if (target != nullptr) siglongjmp(*target, 1);
  struct sigaction usual = {};
  usual.sa_handler = SIG_DFL;
  sigaction(signal, &usual, nullptr);
  raise(signal);  // delivered at once: SA_NODEFER leaves it unblocked
}

bool InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  // SA_NODEFER: the handler leaves by siglongjmp without restoring the signal mask (which would cost a system call in
  // every guard), so the signal must not be blocked while it runs. SA_ONSTACK: use the alternate stack of a thread
  // that has one.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  // Fails only for a bad signal number or pointer.
  if (sigaction(SIGBUS, &action, nullptr) != 0) std::abort();
  return true;
}

}  // namespace

bool RunGuarded(void (*body)(void*), void* context) {
  static const bool installed = InstallHandler();
  static_cast<void>(installed);
  sigjmp_buf here;
  sigjmp_buf* const outer = innermost;
  if (sigsetjmp(here, kSaveMask) != 0) {
    innermost = outer;
    return false;
  }
  innermost = &here;
  body(context);
  innermost = outer;
  return true;
}

}  // namespace shardfs::internal
