#include "service/read_with_deadline.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

using Clock = std::chrono::steady_clock;

bool WriteAll(int file, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(file, bytes, size);
    if (count < 0) return false;
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

// In the child: writes the file's bytes and then an errno, 0 for none. Allocates nothing, as behind any fork.
[[noreturn]] void Copy(const char* path, int to) {
  // Whoever waits for the end of our output must not wait for this process, should it be left behind.
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
  int error_number = 0;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) error_number = errno;
  std::array<char, 16384> buffer;
  while (error_number == 0) {
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count == 0) break;
    if (count < 0) {
      error_number = errno;
    } else if (!WriteAll(to, buffer.data(), static_cast<std::size_t>(count))) {
      ::_exit(1);
    }
  }
  WriteAll(to, reinterpret_cast<const char*>(&error_number), sizeof error_number);
  ::_exit(0);
}

// Reads until the writer is done; false when the deadline comes first.
bool ReadAll(int file, Clock::time_point deadline, std::string& bytes) {
  std::array<char, 16384> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd event{file, POLLIN, 0};
    const int ready = ::poll(&event, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

struct Reader {
  pid_t process = -1;
  FileDescriptor output;
};

// The process that copies `path` into a pipe; nothing with errno set where there can be none. ListViews calls this from
// several threads. A child has every descriptor of its parent, so without the mutex a child that hangs could hold the
// write end of another child's pipe, whose reader would then never see the end.
Reader StartReader(const std::string& path) {
  static std::mutex one_pipe_at_a_time;
  const std::lock_guard lock(one_pipe_at_a_time);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  Reader reader{-1, FileDescriptor(ends[0])};
  const FileDescriptor write_end(ends[1]);
  reader.process = ::fork();
  if (reader.process == 0) Copy(path.c_str(), write_end.get());
  return reader;
}

}  // namespace

DeadlineRead ReadWithDeadline(const std::string& path, std::chrono::milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const Reader reader = StartReader(path);
  if (reader.process < 0) return {DeadlineRead::Outcome::kFailed, errno, ""};

  DeadlineRead result;
  if (!ReadAll(reader.output.get(), deadline, result.bytes)) {
    ::kill(reader.process, SIGKILL);
    ::waitpid(reader.process, nullptr, WNOHANG);
    return {DeadlineRead::Outcome::kTimedOut, 0, ""};
  }
  while (::waitpid(reader.process, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (result.bytes.size() < sizeof result.error_number) return {DeadlineRead::Outcome::kFailed, EIO, ""};
  const std::size_t size = result.bytes.size() - sizeof result.error_number;
  std::memcpy(&result.error_number, result.bytes.data() + size, sizeof result.error_number);
  result.bytes.resize(size);
  result.outcome = result.error_number == 0 ? DeadlineRead::Outcome::kDone : DeadlineRead::Outcome::kFailed;
  return result;
}

}  // namespace shardfs
