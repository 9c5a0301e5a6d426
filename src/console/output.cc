#include "console/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>

#include "base/escape_controls.h"

namespace shardfs {
namespace {

// One write, so that lines of two processes do not mix.
void PrintLine(std::string_view message) {
  const std::string line = OneLine(message) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

void KeepStandardStreamsOpen() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

std::string OneLine(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return EscapeControls(line);
}

std::string ForTerminal(std::string_view text) { return EscapeControls(text, "\n\t"); }

void PrintError(std::string_view message) { PrintLine("shardfs: " + std::string(message)); }

void PrintWarning(std::string_view message) { PrintLine("shardfs: warning: " + std::string(message)); }

void PrintNote(std::string_view message) { PrintLine("shardfs: " + std::string(message)); }

int FinishOutput(std::string_view what, int exit_code) {
  std::cout.flush();
  if (std::cout.good()) return exit_code;
  return ExitCodeOf(Status::IoError("cannot write the " + std::string(what) + " to standard output"));
}

int ExitCodeOf(const Status& status) {
  if (!status.ok()) PrintError(status.message());
  return ToExitCode(status.code());
}

}  // namespace shardfs
