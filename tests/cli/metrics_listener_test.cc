// The HTTP of --metrics-listen: what is answered, and what clients that misbehave cannot do to the others.
#include "service/metrics_listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "service/http_answer.h"

namespace shardfs {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

MetricsAnswers Pages(const std::string& health = "healthy") {
  return {[] { return std::string("# metrics\n"); }, [health] { return health; }};
}

std::string Answer(const std::string& request, const std::string& health = "healthy") {
  return AnswerTo(request, Pages(health)).value_or("none");
}

TEST(HttpAnswerTest, TwoPagesAndNothingElse) {
  EXPECT_THAT(Answer("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Answer("GET /metrics HTTP/1.0\r\n\r\n"), HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(Answer("GET /metrics?a=b HTTP/1.1\r\n\r\n"), EndsWith("\r\n\r\n# metrics\n"));
  EXPECT_THAT(Answer("GET http://host:9/metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Answer("GET /healthz HTTP/1.1\n\n"), EndsWith("\r\n\r\nhealthy\n"));
  EXPECT_THAT(Answer("GET /healthz HTTP/1.1\r\n\r\n", "degraded"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Answer("GET /healthz HTTP/1.1\r\n\r\n", "degraded"), EndsWith("degraded\n"));
  for (const char* path : {"/", "/metrics/", "/../metrics", "/.shardfs/status.json", "/healthz2"}) {
    EXPECT_THAT(Answer(std::string("GET ") + path + " HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 ")) << path;
  }
}

TEST(HttpAnswerTest, OtherMethodsAndVersions) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get", "CONNECT"}) {
    const std::string answer = Answer(std::string(method) + " /metrics HTTP/1.1\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(answer, HasSubstr("Allow: GET\r\n")) << method;
  }
  EXPECT_THAT(Answer("HEAD /metrics HTTP/1.1\r\n\r\n"), EndsWith("\r\n\r\n"));
  EXPECT_THAT(Answer("HEAD /metrics HTTP/1.1\r\n\r\n"), HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(Answer("GET /metrics HTTP/2.0\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
}

TEST(HttpAnswerTest, WhatIsNoRequest) {
  for (const char* request :
       {"GET /metrics\r\n\r\n", "\r\n\r\n x", "GET  /metrics HTTP/1.1\r\n\r\n", " GET / HTTP/1.1\n\n",
        "GET /metrics HTTP/1.1 x\r\n\r\n", "GET metrics HTTP/1.1\r\n\r\n", "GET /a FTP/1\r\n\r\n"}) {
    const auto answer = AnswerTo(request, Pages());
    if (answer) {
      EXPECT_THAT(*answer, StartsWith("HTTP/1.1 400 ")) << request;
    }
  }
  EXPECT_FALSE(AnswerTo("GET /metrics HTTP/1.1\r\nHost: a\r\n", Pages()));
  EXPECT_FALSE(AnswerTo("", Pages()));
  std::string empty_lines;
  while (empty_lines.size() < MetricsListener::kMostRequestBytes) empty_lines += "\r\n";
  EXPECT_THAT(Answer(empty_lines), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Answer("GET /metrics HTTP/1.1\r\nA: " + std::string(MetricsListener::kMostRequestBytes, 'x')),
              StartsWith("HTTP/1.1 431 "));
}

class Connection {
 public:
  explicit Connection(const std::string& address) {
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socket_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  bool connected() const { return connected_; }
  void Send(const std::string& text) {
    static_cast<void>(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL));
  }
  // Until the other side closes, or for a minute, which only a hang takes.
  std::string ReadAll() {
    std::string all;
    char buffer[4096];
    pollfd event{socket_.get(), POLLIN, 0};
    while (::poll(&event, 1, 60'000) == 1) {
      const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(count));
    }
    return all + " and no end";
  }

 private:
  FileDescriptor socket_;
  bool connected_ = false;
};

constexpr const char* kGet = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

std::string Ask(const std::string& address, const std::string& request = kGet) {
  Connection connection(address);
  connection.Send(request);
  return connection.ReadAll();
}

std::unique_ptr<MetricsListener> Listening(const std::string& address = ":0") {
  auto listener = MetricsListener::Listen(address);
  EXPECT_TRUE(listener.ok()) << listener.status();
  return listener.ok() ? std::move(*listener) : nullptr;
}

TEST(MetricsListenerTest, AnswersOnLoopbackByDefault) {
  for (const char* address : {":0", "0", "127.0.0.1:0", "localhost:0"}) {
    const auto listener = Listening(address);
    EXPECT_THAT(listener->address(), StartsWith("127.0.0.1:"));
    listener->Serve(Pages());
    EXPECT_THAT(Ask(listener->address()), EndsWith("\r\n\r\n# metrics\n"));
  }
}

TEST(MetricsListenerTest, RefusesWhatIsNoAddress) {
  for (const char* address : {"", ":", "a", "host:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "1.2.3:80",
                              "::1:80", "[::1:80", "[127.0.0.1]:80", "127.0.0.1:-1"}) {
    const auto listener = MetricsListener::Listen(address);
    ASSERT_FALSE(listener.ok()) << address;
    EXPECT_EQ(listener.status().code(), StatusCode::kInvalidArgument) << address;
  }
  const auto first = Listening();
  const auto second = MetricsListener::Listen(first->address());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use"));
}

TEST(MetricsListenerTest, ARequestInPiecesAndOneThatIsTooLarge) {
  const auto listener = Listening();
  listener->Serve(Pages());
  Connection slow(listener->address());
  for (const char c : std::string(kGet)) slow.Send(std::string(1, c));
  EXPECT_THAT(slow.ReadAll(), EndsWith("# metrics\n"));
  // More than is read of it: the answer arrives nevertheless.
  EXPECT_THAT(Ask(listener->address(), "GET /" + std::string(40'000, 'x')), StartsWith("HTTP/1.1 431 "));
}

TEST(MetricsListenerTest, SilentClientsAreGivenUp) {
  const auto listener = Listening();
  listener->Serve(Pages(), std::chrono::milliseconds(50));
  std::list<Connection> silent;  // more than there are places, with the queue of the kernel
  for (std::size_t i = 0; i < 2 * MetricsListener::kMostClients; ++i) silent.emplace_back(listener->address());
  for (Connection& one : silent) one.Send("GET /met");
  EXPECT_EQ(silent.front().ReadAll(), "");
  // A client behind them is answered, at the latest when they have been given up.
  std::string answer;
  for (int attempt = 0; attempt < 100 && answer.empty(); ++attempt) answer = Ask(listener->address());
  EXPECT_THAT(answer, EndsWith("# metrics\n"));
}

TEST(MetricsListenerTest, AClientThatDoesNotTakeItsAnswer) {
  const auto listener = Listening();
  listener->Serve({[] { return std::string(64 << 20, 'x'); }, [] { return std::string("healthy"); }});
  Connection lazy(listener->address());
  lazy.Send(kGet);
  EXPECT_THAT(Ask(listener->address(), "GET /healthz HTTP/1.1\r\n\r\n"), EndsWith("healthy\n"));
}

TEST(MetricsListenerTest, ManyAtOnce) {
  const auto listener = Listening();
  std::atomic<int> made{0};
  listener->Serve({[&made] { return std::to_string(++made) + "\n"; }, [] { return std::string("healthy"); }});
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 25; ++round) answered += Ask(listener->address()).starts_with("HTTP/1.1 200") ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 200);
  EXPECT_EQ(made, 200);
}

TEST(MetricsListenerTest, EndsWhileClientsWait) {
  auto listener = Listening();
  listener->Serve(Pages());
  Connection waiting(listener->address());
  waiting.Send("GET ");
  EXPECT_THAT(Ask(listener->address()), Not(::testing::IsEmpty()));  // so it is being waited for
  listener.reset();
  EXPECT_EQ(waiting.ReadAll(), "");
}

}  // namespace
}  // namespace shardfs
