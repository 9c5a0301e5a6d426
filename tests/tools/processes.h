// Processes of shardfs and what they do, as /proc tells it. Tests run beside other tests: a process is looked for by a
// path that only the test has.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "tools/read_text.h"

namespace shardfs {

// Processes of the program that have `path` as part of their command line, oldest first.
inline std::vector<pid_t> ProcessesNaming(const std::string& path) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string command_line = ReadTextOf(entry.path() / "cmdline");
    const std::string program = command_line.substr(0, command_line.find('\0'));
    if (program.ends_with("shardfs") && command_line.find(path) != std::string::npos) {
      found.push_back(std::stoi(name));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// What a line of /proc/PID/status says, "State:" or "SigPnd:"; empty when the process is gone.
inline std::string StatusField(pid_t pid, const std::string& name) {
  const std::string status = ReadTextOf("/proc/" + std::to_string(pid) + "/status");
  const std::size_t at = status.find("\n" + name);
  if (at == std::string::npos) return "";
  const std::size_t begin = status.find_first_not_of(" \t", at + 1 + name.size());
  return begin == std::string::npos ? "" : status.substr(begin, status.find('\n', begin) - begin);
}

// 'R' for a process that runs or wants to, 'S' and 'D' for one that waits, 'T' for one that is stopped (proc(5)); 0
// when it is gone.
inline char StateOf(pid_t pid) {
  const std::string state = StatusField(pid, "State:");
  return state.empty() ? '\0' : state.front();
}

inline bool IsWaiting(pid_t pid) {
  const char state = StateOf(pid);
  return state == 'S' || state == 'D';
}

// Whether a signal that was sent to the process has not been taken by it yet.
inline bool HasPendingSignal(pid_t pid, int number) {
  for (const char* set : {"SigPnd:", "ShdPnd:"}) {
    const std::string mask = StatusField(pid, set);
    if (!mask.empty() && (std::stoull(mask, nullptr, 16) >> (number - 1) & 1) != 0) return true;
  }
  return false;
}

// Whether the process has `path` open.
inline bool HasOpen(pid_t pid, const std::filesystem::path& path) {
  std::error_code gone;
  std::filesystem::directory_iterator entries("/proc/" + std::to_string(pid) + "/fd", gone);
  for (; !gone && entries != std::filesystem::directory_iterator(); entries.increment(gone)) {
    std::error_code closed;
    if (std::filesystem::read_symlink(entries->path(), closed) == path) return true;
  }
  return false;
}

}  // namespace shardfs
