#include "base/pass_descriptor.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

namespace shardfs {
namespace {

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

}  // namespace

bool SendDescriptor(const FileDescriptor& socket, const FileDescriptor& file, char what) {
  Message message(what);
  cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = file.get();
  std::memcpy(CMSG_DATA(rights), &number, sizeof number);
  return ::sendmsg(socket.get(), &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

std::optional<FileDescriptor> ReceiveDescriptor(const FileDescriptor& socket, int flags) {
  Message message(0);
  const ssize_t count = ::recvmsg(socket.get(), &message.header, MSG_CMSG_CLOEXEC | flags);
  if (count < 0) return std::nullopt;
  const cmsghdr* const rights = count == 1 ? CMSG_FIRSTHDR(&message.header) : nullptr;
  if (rights == nullptr || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) return FileDescriptor();
  int number = -1;
  std::memcpy(&number, CMSG_DATA(rights), sizeof number);
  return FileDescriptor(number);
}

}  // namespace shardfs
