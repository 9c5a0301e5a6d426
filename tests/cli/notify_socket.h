// The service manager's end of sd_notify(3), for tests.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>

#include "shardfs/base/file_descriptor.h"
#include "tools/wait_until.h"

namespace shardfs {

// A bound datagram socket: at a path, or with a leading '@' in the abstract namespace.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    bound_ = ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
  }

  bool bound() const { return bound_; }

  // The next datagram; empty when none comes in time.
  std::string Receive(std::chrono::milliseconds timeout) const {
    pollfd event{socket_.get(), POLLIN, 0};
    if (::poll(&event, 1, static_cast<int>(timeout.count())) != 1) return "";
    std::array<char, 4096> buffer;
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

  // The first datagram that has `line` as one of its lines.
  std::string ReceiveWith(const std::string& line) const {
    for (;;) {
      std::string datagram = Receive(kHang);
      if (datagram.empty() || ("\n" + datagram + "\n").find("\n" + line + "\n") != std::string::npos) return datagram;
    }
  }

 private:
  FileDescriptor socket_;
  bool bound_ = false;
};

}  // namespace shardfs
