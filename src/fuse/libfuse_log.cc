#include "fuse/libfuse_log.h"

#include <fuse_lowlevel.h>
#include <spdlog/spdlog.h>

#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace shardfs {
namespace {

// libfuse's log function gets no user data, so the listener has to be found by thread.
thread_local LibfuseMessages* listener = nullptr;

__attribute__((format(printf, 2, 0))) void OnMessage(fuse_log_level level, const char* format, va_list list) {
  if (level > FUSE_LOG_WARNING) return;
  char line[512];
  std::vsnprintf(line, sizeof line, format, list);
  std::string_view text = line;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.starts_with("fuse: ")) text.remove_prefix(6);
  if (listener != nullptr) {
    listener->Add(text);
  } else {
    spdlog::warn("libfuse: {}", text);
  }
}

}  // namespace

LibfuseMessages::LibfuseMessages() {
  ::fuse_set_log_func(OnMessage);
  listener = this;
}

LibfuseMessages::~LibfuseMessages() { listener = nullptr; }

void LibfuseMessages::Add(std::string_view message) {
  if (!text_.empty()) text_ += "; ";
  text_ += message;
}

}  // namespace shardfs
