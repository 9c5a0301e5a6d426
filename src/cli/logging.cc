#include "cli/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <filesystem>
#include <memory>
#include <system_error>

namespace shardfs {
namespace {

void SetLogger(spdlog::sink_ptr sink, const char* pattern) {
  auto logger = std::make_shared<spdlog::logger>("shardfs", std::move(sink));
  logger->set_pattern(pattern);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void LogToStderr() { SetLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "shardfs: %l: %v"); }

void LogToSyslog() {
  SetLogger(std::make_shared<spdlog::sinks::syslog_sink_mt>("shardfs", LOG_PID, LOG_DAEMON, false), "%v");
}

Status LogToFile(const std::string& path) {
  // spdlog would make missing directories, and so hide that the path is mistyped.
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  std::error_code error_code;
  if (!std::filesystem::is_directory(parent, error_code)) {
    return Status::InvalidArgument("cannot write the log file " + path + ": there is no directory " + parent.string());
  }
  try {
    SetLogger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), "%Y-%m-%dT%H:%M:%S.%e%z [%P] %l: %v");
  } catch (const spdlog::spdlog_ex& error) {
    return Status::InvalidArgument("cannot write the log file " + path + ": " + error.what());
  }
  return Status::Ok();
}

}  // namespace shardfs
