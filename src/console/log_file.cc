#include "console/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace shardfs {
namespace {

Status CannotWrite(const std::string& path, const std::string& reason) {
  return Status::InvalidArgument("cannot write the log file " + path + ": " + reason);
}

// ENXIO is what opening says of a FIFO without a reader, and of a socket.
std::string ReasonOf(int error_number, const std::string& path) {
  struct stat attributes {};
  if (error_number == ENXIO && ::stat(path.c_str(), &attributes) == 0) {
    if (S_ISFIFO(attributes.st_mode)) {
      return "it is a FIFO that no process reads; start its reader first, or give a regular file";
    }
    if (S_ISSOCK(attributes.st_mode)) return "it is a socket; give a regular file";
  }
  return std::generic_category().message(error_number);
}

}  // namespace

Result<FileDescriptor> OpenLogFile(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::absolute(path, error).parent_path();
  if (!std::filesystem::is_directory(parent, error)) {
    return CannotWrite(path, "there is no directory " + parent.string());
  }
  // O_NONBLOCK is for FIFOs and terminals, of which the second are not to become this process's own.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  FileDescriptor file(::open(path.c_str(), kFlags, 0666));
  if (!file.valid()) return CannotWrite(path, ReasonOf(errno, path));
  struct stat attributes {};
  if (::fstat(file.get(), &attributes) == 0 && S_ISBLK(attributes.st_mode)) {
    return CannotWrite(path, "it is a block device; give a regular file");
  }
  return file;
}

void LogFileSink::Use(FileDescriptor file) {
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  torn_ = false;
}

void LogFileSink::sink_it_(const spdlog::details::log_msg& message) {
  if (lost_ > 0) {
    const std::string text = fmt::format("{} line{} of this log {} lost here: {}", lost_, lost_ == 1 ? "" : "s",
                                         lost_ == 1 ? "is" : "are", std::generic_category().message(error_));
    spdlog::details::log_msg note(message.logger_name, spdlog::level::warn, text);
    WriteMessage(note);
    if (lost_ > 0) {
      ++lost_;  // `message`; the note counts for none
      return;
    }
  }
  WriteMessage(message);
  if (error_ != 0) ++lost_;
}

// Leaves in error_ why it could not, and lost_ as it is then; 0 in both when it could.
void LogFileSink::WriteMessage(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (torn_ && !Write("\n")) return;
  torn_ = false;
  if (!Write({line.data(), line.size()})) return;
  error_ = 0;
  lost_ = 0;
}

bool LogFileSink::Write(std::string_view line) {
  const std::size_t size = line.size();
  while (!line.empty()) {
    const ssize_t count = ::write(file_.get(), line.data(), line.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      error_ = count < 0 ? errno : ENOSPC;
      torn_ = torn_ || line.size() < size;
      return false;
    }
    line.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace shardfs
