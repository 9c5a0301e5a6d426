#include "fuse/dead_mount.h"

#include <sys/statfs.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

namespace shardfs {

bool IsDeadMount(const std::string& mount_point) {
  constexpr std::chrono::seconds kPatience{2};
  const auto dead = std::make_shared<std::promise<bool>>();
  std::future<bool> answer = dead->get_future();
  // statfs, because the kernel answers stat from what it remembers. In a thread that can be left behind, because a
  // server that hangs would keep this one.
  std::thread([dead, mount_point] {
    struct statfs ignored {};
    const bool failed = ::statfs(mount_point.c_str(), &ignored) != 0;
    dead->set_value(failed && (errno == ENOTCONN || errno == ECONNABORTED));  // the latter: died over this request
  }).detach();
  return answer.wait_for(kPatience) == std::future_status::ready && answer.get();
}

}  // namespace shardfs
