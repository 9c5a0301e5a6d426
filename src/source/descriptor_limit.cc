#include "source/descriptor_limit.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace shardfs {
namespace {

constexpr rlim_t kInUse = 32;   // descriptors that a process has open anyway: standard streams, libraries' own
constexpr rlim_t kRoom = 1024;  // for whoever works with the checkpoint: output files, sessions

}  // namespace

Status ReserveDescriptors(std::size_t files) {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return Status::FromErrno(errno, "cannot get the limit on open files");
  const rlim_t least = files + kInUse;
  if (limit.rlim_max < least) {
    return Status::ResourceExhausted(fmt::format(
        "{} files need to be open at once, {} with the program's own, but the limit on open files is {}; raise it "
        "(ulimit -Hn)",
        files, least, limit.rlim_max));
  }
  const rlim_t wanted = std::min<rlim_t>(least + kRoom, limit.rlim_max);
  if (limit.rlim_cur >= wanted) return Status::Ok();
  limit.rlim_cur = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Status::FromErrno(errno, "cannot raise the limit on open files");
  return Status::Ok();
}

}  // namespace shardfs
