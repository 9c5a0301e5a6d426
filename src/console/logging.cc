#include "console/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "console/log_file.h"
#include "console/output.h"

namespace shardfs {
namespace {

// %* of a pattern: the message, which may quote names of the checkpoint, as one line without control characters.
class EscapedMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    const std::string text = OneLine({message.payload.data(), message.payload.size()});
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<EscapedMessage>(); }
};

// Set before any thread is started.
struct {
  std::shared_ptr<LogFileSink> sink;  // null while the log is no file
  std::string path;
} log_file;

void SetLogger(spdlog::sink_ptr sink, const char* pattern, const char* line_end = "\n") {
  auto logger = std::make_shared<spdlog::logger>("shardfs", std::move(sink));
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local, line_end);
  formatter->add_flag<EscapedMessage>('*').set_pattern(pattern);
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  // What cannot be logged has no other place; spdlog would print it on standard error, in its own words.
  logger->set_error_handler([](const std::string&) {});
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void LogToStderr() { SetLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "shardfs: %l: %*"); }

void LogToSyslog() {
  SetLogger(std::make_shared<spdlog::sinks::syslog_sink_mt>("shardfs", LOG_PID, LOG_DAEMON, true), "%*", "");
}

Status LogToFile(const std::string& path) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).string();  // a daemon changes its directory
  if (error) return Status::InvalidArgument("cannot find the log file " + path + ": " + error.message());
  SHARDFS_ASSIGN_OR_RETURN(FileDescriptor file, OpenLogFile(path));
  log_file = {std::make_shared<LogFileSink>(std::move(file)), std::move(absolute)};
  SetLogger(log_file.sink, "%Y-%m-%dT%H:%M:%S.%e%z [%P] %l: %*");
  return Status::Ok();
}

Result<FileDescriptor> OpenLogAgain() {
  if (log_file.sink == nullptr) return Status::InvalidArgument("the log is not a file, so there is none to open again");
  return OpenLogFile(log_file.path);
}

void ContinueLogIn(FileDescriptor file) {
  if (log_file.sink != nullptr) log_file.sink->Use(std::move(file));
}

void ReopenLog() {
  if (log_file.sink == nullptr) {
    spdlog::info("SIGHUP: the log is not a file, so there is none to open again");
    return;
  }
  Result<FileDescriptor> file = OpenLogAgain();
  if (!file.ok()) {
    spdlog::warn("SIGHUP: {}", file.status().message());
    return;
  }
  ContinueLogIn(*std::move(file));
  spdlog::info("SIGHUP: the log goes on in {}", log_file.path);
}

}  // namespace shardfs
