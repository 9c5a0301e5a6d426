#include "cli/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "cli/output.h"

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

void SetLogger(spdlog::sink_ptr sink, const char* pattern, const char* line_end = "\n") {
  auto logger = std::make_shared<spdlog::logger>("shardfs", std::move(sink));
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local, line_end);
  formatter->add_flag<EscapedMessage>('*').set_pattern(pattern);
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void LogToStderr() { SetLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "shardfs: %l: %*"); }

void LogToSyslog() {
  SetLogger(std::make_shared<spdlog::sinks::syslog_sink_mt>("shardfs", LOG_PID, LOG_DAEMON, true), "%*", "");
}

Status LogToFile(const std::string& path) {
  // spdlog would make missing directories, and so hide that the path is mistyped.
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  std::error_code error_code;
  if (!std::filesystem::is_directory(parent, error_code)) {
    return Status::InvalidArgument("cannot write the log file " + path + ": there is no directory " + parent.string());
  }
  try {
    SetLogger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), "%Y-%m-%dT%H:%M:%S.%e%z [%P] %l: %*");
  } catch (const spdlog::spdlog_ex& error) {
    return Status::InvalidArgument("cannot write the log file " + path + ": " + error.what());
  }
  return Status::Ok();
}

}  // namespace shardfs
