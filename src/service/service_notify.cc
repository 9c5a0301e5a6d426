#include "service/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>

#include "base/environment_variable.h"
#include "console/output.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {

Status NotifyService(std::string_view state) {
  const std::optional<std::string> variable = EnvironmentVariable("NOTIFY_SOCKET");
  if (!variable) return Status::Ok();
  const std::string& name = *variable;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((name[0] != '/' && name[0] != '@') || name.size() >= sizeof address.sun_path) {
    return Status::InvalidArgument("the environment's NOTIFY_SOCKET is '" + name +
                                   "', and must be an absolute path or @ and a name, of less than " +
                                   std::to_string(sizeof address.sun_path) + " characters");
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());

  const FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Status::FromErrno(errno, "cannot make a socket to notify the service manager");
  if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
               size) < 0) {
    return Status::FromErrno(errno, "cannot notify the service manager at " + name);
  }
  return Status::Ok();
}

void NotifyServiceOrWarn(std::string_view state) {
  const Status status = NotifyService(state);
  if (!status.ok()) PrintWarning(status.message());
}

}  // namespace shardfs
