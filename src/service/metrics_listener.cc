// One thread polls the listening socket and at most kMostClients connections, none of which may block it. A connection
// is read until the head of its request is complete, then its answer is written as the client takes it, then what the
// client still sends is thrown away until it closes: a socket that is closed with unread bytes resets the connection,
// and the client may lose the answer. Whatever a connection does, it is closed kPatience after it has begun, and again
// kPatience after its answer has.
#include "service/metrics_listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <iterator>
#include <list>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "service/http_answer.h"

namespace shardfs {
namespace {

using Clock = std::chrono::steady_clock;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::optional<Address> ParseAddress(std::string_view text) {
  Address address;
  std::string host = "127.0.0.1";
  const std::size_t colon = text.rfind(':');
  const auto port = ParseNumber<std::uint16_t>(colon == text.npos ? text : text.substr(colon + 1));
  if (!port) return std::nullopt;
  if (colon != text.npos && colon != 0) host = text.substr(0, colon);
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (host == "localhost") host = "127.0.0.1";
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(*port);
    address.size = sizeof(*v4);
    return address;
  }
  if (!host.starts_with('[') || !host.ends_with(']')) return std::nullopt;
  host = host.substr(1, host.size() - 2);
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return std::nullopt;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(*port);
  address.size = sizeof(*v6);
  return address;
}

std::string NameOf(int socket) {
  Address address;
  address.size = sizeof(address.storage);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) return "?";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.storage.ss_family == AF_INET6) {
    const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6->sin6_port));
  }
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), ntohs(v4->sin_port));
}

// One client. Closed when it is destroyed.
class Client {
 public:
  Client(FileDescriptor socket, std::chrono::milliseconds patience)
      : socket_(std::move(socket)), patience_(patience), deadline_(Clock::now() + patience) {}

  pollfd Wanted() const { return {socket_.get(), static_cast<short>(state_ == State::kWriting ? POLLOUT : POLLIN), 0}; }
  Clock::time_point deadline() const { return deadline_; }

  // Does what can be done without waiting; false when the connection is at its end.
  bool Advance(const MetricsAnswers& answers) {
    if (state_ == State::kReading && !Read(answers)) return false;
    if (state_ == State::kWriting && !Write()) return false;
    return state_ != State::kDraining || Drain();
  }

 private:
  enum class State : std::uint8_t { kReading, kWriting, kDraining };

  bool Read(const MetricsAnswers& answers) {
    std::array<char, 2048> buffer;
    while (state_ == State::kReading) {
      const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      if (count == 0) return false;
      received_.append(buffer.data(), static_cast<std::size_t>(count));
      if (auto answer = AnswerTo(received_, answers)) {
        answer_ = std::move(*answer);
        received_.clear();
        state_ = State::kWriting;
        deadline_ = Clock::now() + patience_;
      }
    }
    return true;
  }

  bool Write() {
    while (written_ < answer_.size()) {
      const ssize_t count =
          ::send(socket_.get(), answer_.data() + written_, answer_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      written_ += static_cast<std::size_t>(count);
    }
    ::shutdown(socket_.get(), SHUT_WR);
    state_ = State::kDraining;
    return true;
  }

  bool Drain() {
    std::array<char, 2048> buffer;
    for (;;) {
      const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      drained_ += static_cast<std::size_t>(count);
      if (count == 0 || drained_ > kMostDrained) return false;
    }
  }

  static constexpr std::size_t kMostDrained = std::size_t{64} << 10;

  FileDescriptor socket_;
  const std::chrono::milliseconds patience_;
  Clock::time_point deadline_;
  State state_ = State::kReading;
  std::string received_;
  std::string answer_;
  std::size_t written_ = 0;
  std::size_t drained_ = 0;
};

// Milliseconds until the first deadline, rounded up; -1 where there is none.
int TimeoutOf(const std::list<Client>& clients) {
  if (clients.empty()) return -1;
  const auto first = std::min_element(clients.begin(), clients.end(),
                                      [](const Client& a, const Client& b) { return a.deadline() < b.deadline(); });
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first->deadline() - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

}  // namespace

Result<std::unique_ptr<MetricsListener>> MetricsListener::Listen(const std::string& text) {
  const std::optional<Address> address = ParseAddress(text);
  if (!address) {
    return Status::InvalidArgument(fmt::format(
        "--metrics-listen takes ADDR:PORT, as in 127.0.0.1:9101, [::1]:9101 or :9101, and got {}", QuoteName(text)));
  }
  const std::string failed = fmt::format("--metrics-listen: cannot listen on {}", text);
  std::unique_ptr<MetricsListener> listener(new MetricsListener);
  listener->socket_ =
      FileDescriptor(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener->socket_.valid() && errno == EAFNOSUPPORT) {
    return Status::IoError(failed + ": this machine has no such addresses, or the service may not use them (systemd's "
                                    "RestrictAddressFamilies=)");
  }
  if (!listener->socket_.valid()) return Status::FromErrno(errno, failed);
  const int one = 1;
  ::setsockopt(listener->socket_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(listener->socket_.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0 ||
      ::listen(listener->socket_.get(), static_cast<int>(kMostClients)) != 0) {
    return Status::FromErrno(errno, failed);
  }
  listener->wake_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
  if (!listener->wake_.valid()) return Status::FromErrno(errno, failed);
  listener->address_ = NameOf(listener->socket_.get());
  return listener;
}

MetricsListener::~MetricsListener() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);  // the counter is far from full
}

void MetricsListener::Serve(MetricsAnswers answers, std::chrono::milliseconds patience) {
  answers_ = std::move(answers);
  patience_ = patience;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    try {
      Loop(stop);
    } catch (const std::exception& error) {  // bad_alloc
      spdlog::error("metrics are no longer served on {}: {}", address_, error.what());
    }
  });
}

void MetricsListener::Loop(const std::stop_token& stop) {
  std::list<Client> clients;
  while (!stop.stop_requested()) {
    // With all places taken, the kernel keeps further clients waiting until one is free.
    const bool has_room = clients.size() < kMostClients;
    std::vector<pollfd> events = {{wake_.get(), POLLIN, 0}, {has_room ? socket_.get() : -1, POLLIN, 0}};
    for (const Client& client : clients) events.push_back(client.Wanted());
    if (::poll(events.data(), events.size(), TimeoutOf(clients)) < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    const auto now = Clock::now();
    std::size_t i = 2;
    for (auto client = clients.begin(); client != clients.end(); ++i) {
      const bool goes_on = now < client->deadline() && (events[i].revents == 0 || client->Advance(answers_));
      client = goes_on ? std::next(client) : clients.erase(client);
    }
    if (events[1].revents == 0) continue;
    FileDescriptor accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted.valid()) {
      clients.emplace_back(std::move(accepted), patience_);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the client stays in the queue meanwhile
    }
  }
}

}  // namespace shardfs
