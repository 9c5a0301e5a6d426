#include "service/log_rotation.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "base/pass_descriptor.h"
#include "console/logging.h"

namespace shardfs {
void LogRotation::OnHangup() {
  if (!supervisor_.valid()) {
    ReopenLog();
  } else if (::send(supervisor_.get(), &kAsk, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    spdlog::warn("SIGHUP: the supervisor cannot be asked to open the log again: {}",
                 std::generic_category().message(errno));
  }
}

void LogRotation::OnMessage() {
  std::optional<FileDescriptor> file = ReceiveDescriptor(supervisor_, MSG_DONTWAIT);
  if (!file && (errno == EINTR || errno == EAGAIN)) return;
  if (!file || !file->valid()) {
    supervisor_ = FileDescriptor();  // it has ended
    return;
  }
  ContinueLogIn(*std::move(file));
  spdlog::info("SIGHUP: the log goes on in the file that the supervisor has opened");
}

void LogRotation::ReopenFor(const FileDescriptor& server) {
  ReopenLog();
  const auto file = OpenLogAgain();
  if (!file.ok()) return;  // which the log has said
  // Without waiting: a server that hangs is not to stop its supervisor.
  if (!SendDescriptor(server, *file, 'L')) {
    spdlog::warn("SIGHUP: the server cannot be sent the log file: {}", std::generic_category().message(errno));
  }
}

}  // namespace shardfs
