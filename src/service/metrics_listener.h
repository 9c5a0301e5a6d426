// MetricsListener: a little HTTP server for Prometheus and for probes, on a thread of its own: GET /metrics and
// GET /healthz, and nothing else.
//
// It is our own because it answers two fixed requests from one poll loop in 200 lines, where a library would bring TLS,
// threads and a parser for everything into a static program. It never touches the file system's threads: a client that
// is slow, silent or malicious costs one of kMostClients places for kPatience, no more.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// MetricsAnswers makes what is served. The listener's thread calls each, which may look at the sources meanwhile.
struct MetricsAnswers {
  std::function<std::string()> metrics;  // Prometheus' text format
  std::function<std::string()> health;   // the word of the state; "healthy" is answered with 200, others with 503
};

class MetricsListener {
 public:
  static constexpr std::size_t kMostClients = 32;
  static constexpr std::size_t kMostRequestBytes = 8192;
  static constexpr std::chrono::seconds kPatience{5};  // for a request, and for the client to take the answer

  // Binds `address`: "127.0.0.1:9101", "[::1]:9101", or a port alone, ":9101" or "9101", which is one of 127.0.0.1.
  // Port 0 lets the kernel choose. Clients that connect wait until Serve. kInvalidArgument for what is no such address;
  // kIoError where it cannot be bound.
  static Result<std::unique_ptr<MetricsListener>> Listen(const std::string& address);

  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  const std::string& address() const { return address_; }  // "127.0.0.1:9101", with the port that was bound

  // Starts to answer; once. Throws std::system_error where there is no thread to be had.
  void Serve(MetricsAnswers answers, std::chrono::milliseconds patience = kPatience);

 private:
  MetricsListener() = default;
  void Loop(const std::stop_token& stop);

  FileDescriptor socket_;
  FileDescriptor wake_;  // an eventfd, readable once the destructor has begun
  std::string address_;
  MetricsAnswers answers_;
  std::chrono::milliseconds patience_ = kPatience;
  std::jthread thread_;
};

}  // namespace shardfs
