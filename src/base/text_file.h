// Small text files as a whole, those of /proc and /sys too, whose size says nothing.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// kNotFound or kIoError with the path; kInvalidArgument for what is no regular file (nor a link to one), where reading
// could wait for ever; kNotSupported above `limit` bytes.
inline Result<std::string> ReadTextFile(const std::string& path, std::size_t limit = 1 << 20) {
  struct stat attributes {};
  // Without waiting for a FIFO's writer.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid() || ::fstat(file.get(), &attributes) != 0) return Status::FromErrno(errno, "cannot read " + path);
  if (!S_ISREG(attributes.st_mode)) {
    return Status::InvalidArgument("cannot read " + path + ": it is not a regular file, nor a link to one");
  }
  std::string text;
  char buffer[16 << 10];
  while (text.size() <= limit) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Status::FromErrno(errno, "cannot read " + path);
    text.append(buffer, static_cast<std::size_t>(count));
  }
  if (text.size() > limit) {
    return Status::NotSupported(path + " is larger than " + std::to_string(limit) + " bytes");
  }
  return text;
}

}  // namespace shardfs
