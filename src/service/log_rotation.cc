#include "service/log_rotation.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "console/logging.h"

namespace shardfs {
namespace {

// One descriptor beside one byte (unix(7), SCM_RIGHTS).
struct Message {
  explicit Message(char what) : byte(what) {
    header.msg_iov = &content;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  char byte;
  iovec content{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr header{};
};

bool Send(const FileDescriptor& socket, const FileDescriptor& file) {
  Message message('L');
  cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = file.get();
  std::memcpy(CMSG_DATA(rights), &number, sizeof number);
  // Without waiting: a server that hangs is not to stop its supervisor.
  return ::sendmsg(socket.get(), &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

}  // namespace

void LogRotation::OnHangup() {
  if (!supervisor_.valid()) {
    ReopenLog();
  } else if (::send(supervisor_.get(), &kAsk, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    spdlog::warn("SIGHUP: the supervisor cannot be asked to open the log again: {}",
                 std::generic_category().message(errno));
  }
}

void LogRotation::OnMessage() {
  Message message(0);
  const ssize_t count = ::recvmsg(supervisor_.get(), &message.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  const cmsghdr* const rights = count == 1 ? CMSG_FIRSTHDR(&message.header) : nullptr;
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) {
    supervisor_ = FileDescriptor();  // it has ended
    return;
  }
  int number = -1;
  std::memcpy(&number, CMSG_DATA(rights), sizeof number);
  ContinueLogIn(FileDescriptor(number));
  spdlog::info("SIGHUP: the log goes on in the file that the supervisor has opened");
}

void LogRotation::ReopenFor(const FileDescriptor& server) {
  ReopenLog();
  const auto file = OpenLogAgain();
  if (!file.ok()) return;  // which the log has said
  if (!Send(server, *file)) {
    spdlog::warn("SIGHUP: the server cannot be sent the log file: {}", std::generic_category().message(errno));
  }
}

}  // namespace shardfs
