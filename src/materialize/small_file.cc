#include "materialize/small_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "shardfs/base/file_descriptor.h"

namespace shardfs {

Result<std::string> ReadSmallFile(int directory, const char* name, const std::string& full, std::uint64_t limit) {
  const FileDescriptor file(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) {
    const int error = errno;
    if (error == ELOOP) return Status::Corruption(fmt::format("'{}' is a link and must be a regular file", full));
    return Status::FromErrno(error, fmt::format("cannot read '{}'", full));
  }
  if (!S_ISREG(info.st_mode)) return Status::Corruption(fmt::format("'{}' is not a regular file", full));
  if (static_cast<std::uint64_t>(info.st_size) > limit) {
    return Status::NotSupported(fmt::format("'{}' has {} bytes, and at most {} are read", full, info.st_size, limit));
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Status::FromErrno(errno, fmt::format("cannot read '{}'", full));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return text;
}

Status WriteText(int fd, std::string_view text, const std::string& full) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return Status::FromErrno(errno, fmt::format("cannot write '{}'", full));
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return Status::Ok();
}

Status WriteSmallFile(int directory, const std::string& name, const std::string& full, std::string_view text,
                      mode_t mode) {
  const std::string temporary = name + ".tmp";
  FileDescriptor file(
      ::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return Status::FromErrno(errno, fmt::format("cannot create '{}'", full));
  SHARDFS_RETURN_IF_ERROR(WriteText(file.get(), text, full));
  // Synchronised before it is named: a power failure must not leave the name on nothing.
  if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0 || ::close(file.release()) != 0 ||
      ::renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) {
    return Status::FromErrno(errno, fmt::format("cannot write '{}'", full));
  }
  return Status::Ok();
}

bool SetTime(int directory, const char* path, std::int64_t time_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const struct timespec times[2] = {{0, UTIME_OMIT}, {time_ns / kSecond, time_ns % kSecond}};
  return (path == nullptr ? ::futimens(directory, times) : ::utimensat(directory, path, times, AT_SYMLINK_NOFOLLOW)) ==
         0;
}

int RenameToNew(int directory, const std::string& from, const std::string& to) {
  const int result = ::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE);
  if (result == 0 || (errno != EINVAL && errno != ENOSYS)) return result;
  // NFS, and kernels before 3.15.
  if (::linkat(directory, from.c_str(), directory, to.c_str(), 0) == 0) return ::unlinkat(directory, from.c_str(), 0);
  if (errno == EEXIST) return -1;
  return ::renameat(directory, from.c_str(), directory, to.c_str());
}

}  // namespace shardfs
