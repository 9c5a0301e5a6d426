// HTTP/1.0 and 1.1 (RFC 9112), as far as two fixed pages need it: the request line is read, the other lines of the head
// are passed over, and a body is not waited for.
#include "service/http_answer.h"

#include <fmt/format.h>

namespace shardfs {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

std::string Answer(std::string_view status, std::string_view type, std::string_view body, std::string_view more = "") {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n{}\r\n{}",
      status, type, body.size(), more, body);
}

// The path of a request's target, which may be absolute ("http://host/metrics?x"); empty for what is no path.
std::string_view PathOf(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    const std::size_t slash = target.find('/', kScheme.size());
    target = slash == target.npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find('?'));
  return target.starts_with('/') ? target : std::string_view();
}

std::string Page(std::string_view path, const MetricsAnswers& answers) {
  if (path == "/metrics") return Answer("200 OK", "text/plain; version=0.0.4; charset=utf-8", answers.metrics());
  if (path == "/healthz") {
    const std::string health = answers.health();
    return Answer(health == "healthy" ? "200 OK" : "503 Service Unavailable", kText, health + "\n");
  }
  return Answer("404 Not Found", kText, "there is /metrics and /healthz\n");
}

}  // namespace

std::optional<std::string> AnswerTo(std::string_view received, const MetricsAnswers& answers) {
  const bool is_full = received.size() >= MetricsListener::kMostRequestBytes;
  // Some clients send an empty line behind the request before.
  while (received.starts_with("\r\n")) received.remove_prefix(2);
  const bool complete = received.find("\r\n\r\n") != received.npos || received.find("\n\n") != received.npos;
  if (!complete) {
    if (!is_full) return std::nullopt;
    return Answer("431 Request Header Fields Too Large", kText, "the request is too large\n");
  }
  std::string_view line = received.substr(0, received.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t first = line.find(' ');
  const std::size_t second = first == line.npos ? first : line.find(' ', first + 1);
  if (second == line.npos || line.find(' ', second + 1) != line.npos || first == 0 ||
      !line.substr(second + 1).starts_with("HTTP/")) {
    return Answer("400 Bad Request", kText, "that is no request of HTTP/1.1\n");
  }
  const std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.0" && version != "HTTP/1.1") {
    return Answer("505 HTTP Version Not Supported", kText, "HTTP/1.0 and HTTP/1.1 are spoken here\n");
  }
  const std::string_view method = line.substr(0, first);
  // The body of an answer to HEAD would be taken for the next answer.
  if (method == "HEAD") return Answer("405 Method Not Allowed", kText, "", "Allow: GET\r\n");
  if (method != "GET") return Answer("405 Method Not Allowed", kText, "only GET is answered\n", "Allow: GET\r\n");
  const std::string_view path = PathOf(line.substr(first + 1, second - first - 1));
  if (path.empty()) return Answer("400 Bad Request", kText, "the target is no path\n");
  return Page(path, answers);
}

}  // namespace shardfs
