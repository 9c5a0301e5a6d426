#include "service/inherited_descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/environment_variable.h"

namespace shardfs {
namespace {

constexpr int kFirst = STDERR_FILENO + 1;  // systemd's SD_LISTEN_FDS_START too

std::optional<int> ParseCount(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// How many descriptors from kFirst on the service manager has passed to this process.
int PassedOnPurpose() {
  const std::optional<std::string> process = EnvironmentVariable("LISTEN_PID");
  const std::optional<std::string> count = EnvironmentVariable("LISTEN_FDS");
  if (!process || !count || ParseCount(*process) != ::getpid()) return 0;
  return std::min(ParseCount(*count).value_or(0), INT_MAX - kFirst);
}

// Those from `first` to before `end`.
bool CloseByRange(int first, unsigned end) {
#ifdef SYS_close_range
  if (static_cast<unsigned>(first) >= end) return true;
  return ::syscall(SYS_close_range, static_cast<unsigned>(first), end - 1, 0u) == 0;
#else
  return first < 0 && end == 0;
#endif
}

bool CloseAllByRange(int first, int kept) {
  if (kept < first) return CloseByRange(first, ~0u);
  return CloseByRange(first, static_cast<unsigned>(kept)) && CloseByRange(kept + 1, ~0u);
}

bool CloseListed(int first, int kept, const std::string& listing) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(listing.c_str()), &::closedir);
  if (!directory) return false;
  std::vector<int> open;  // closing while the directory is read could make it pass over some
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::optional<int> number = ParseCount(entry->d_name);
    const bool stays = !number || *number < first || *number == kept || *number == ::dirfd(directory.get());
    if (!stays) open.push_back(*number);
  }
  for (const int number : open) ::close(number);
  return true;
}

// The last resort. The limit may have been lowered since a descriptor was opened, so it is not less than the kernel's
// default for a process that may raise its own.
void CloseEach(int first, int kept) {
  constexpr rlim_t kLeast = 4096;
  constexpr rlim_t kMost = 1 << 20;  // the kernel's own default of fs.nr_open
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_max = kLeast;
  const auto end = static_cast<int>(std::clamp(limit.rlim_max, kLeast, kMost));
  for (int number = first; number < end; ++number) {
    if (number != kept) ::close(number);
  }
}

}  // namespace

void CloseInheritedDescriptors(std::optional<int> kept, const std::string& listing) {
  const int first = kFirst + PassedOnPurpose();
  const int stays = kept.value_or(-1);
  constexpr int kMostSockets = 1024;  // that any unit has
  for (int number = kFirst; number < std::min(first, kFirst + kMostSockets); ++number) {
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
  }
  if (CloseAllByRange(first, stays) || CloseListed(first, stays, listing)) return;
  CloseEach(first, stays);
}

}  // namespace shardfs
