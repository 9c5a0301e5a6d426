#include "hostile/system_calls.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

namespace shardfs::testing {
namespace {

std::function<PreadOutcome(std::size_t)> pread_plan;
std::atomic<std::size_t> pread_number{0};
std::atomic<int> fstat_error{0};
std::atomic<int> fstatat_error{0};
std::optional<struct stat> fstat_result;
std::function<void()> after_fstatat;

}  // namespace

void PlanPreads(std::function<PreadOutcome(std::size_t)> plan) {
  pread_number = 0;
  pread_plan = std::move(plan);
}

void PlanFstatError(int error) { fstat_error = error; }

void PlanFstat(const struct stat& attributes) { fstat_result = attributes; }

void PlanFstatatError(int error) { fstatat_error = error; }

void PlanAfterFstatat(std::function<void()> action) { after_fstatat = std::move(action); }

void SystemCallsAsUsual() {
  after_fstatat = nullptr;
  pread_plan = nullptr;
  fstat_error = 0;
  fstatat_error = 0;
  fstat_result.reset();
}

}  // namespace shardfs::testing

// With _FILE_OFFSET_BITS=64 the C library's headers name them so.
extern "C" ssize_t __real_pread64(int fd, void* buffer, std::size_t size, off_t offset);
extern "C" int __real_fstat64(int fd, struct stat* attributes);
extern "C" int __real_fstatat64(int directory, const char* name, struct stat* attributes, int flags);

extern "C" ssize_t __wrap_pread64(int fd, void* buffer, std::size_t size, off_t offset) {
  using namespace shardfs::testing;
  if (pread_plan == nullptr) return __real_pread64(fd, buffer, size, offset);
  const PreadOutcome outcome = pread_plan(pread_number++);
  if (outcome.error == 0) return __real_pread64(fd, buffer, std::min(size, outcome.most), offset);
  errno = outcome.error;
  return -1;
}

extern "C" int __wrap_fstat64(int fd, struct stat* attributes) {
  using namespace shardfs::testing;
  if (fstat_result) {
    *attributes = *fstat_result;
    return 0;
  }
  if (fstat_error == 0) return __real_fstat64(fd, attributes);
  errno = fstat_error;
  return -1;
}

extern "C" int __wrap_fstatat64(int directory, const char* name, struct stat* attributes, int flags) {
  using namespace shardfs::testing;
  if (fstatat_error != 0) {
    errno = fstatat_error;
    return -1;
  }
  const int result = __real_fstatat64(directory, name, attributes, flags);
  if (after_fstatat != nullptr) std::exchange(after_fstatat, nullptr)();
  return result;
}
