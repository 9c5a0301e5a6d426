#include "verify/verifier_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/quote_name.h"

namespace shardfs {

Result<FoundFile> FoundFile::Open(int root, const std::string& directory, const std::string& path, std::uint64_t size) {
  std::string name = QuoteName(directory + "/" + path);
  // Not to wait for a writer where a pipe has taken the file's place.
  FileDescriptor fd(::openat(root, path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    const Status status = Status::FromErrno(errno, fmt::format("cannot open {}", name));
    // It was there when the folder was listed.
    return status.code() == StatusCode::kNotFound ? Status::IoError(std::string(status.message())) : status;
  }
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != size) {
    return Status::IoError(fmt::format("{} changed while it was compared; verify again when nobody writes", name));
  }
  return FoundFile(std::move(fd), std::move(name), size);
}

Status FoundFile::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  while (!destination.empty()) {
    const ssize_t count = ::pread(fd_.get(), destination.data(), destination.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return Status::FromErrno(errno, fmt::format("cannot read {} at byte {}", name_, offset));
    }
    if (count == 0) {
      return Status::IoError(
          fmt::format("{} ends at byte {} and had {} bytes when it was opened; verify again when nobody writes", name_,
                      offset, size_));
    }
    destination = destination.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return Status::Ok();
}

Status FilePair::ReadExpected(std::uint64_t offset, std::span<std::byte> destination) const {
  const Status status = file.ReadAt(offset, destination);
  return status.ok() ? status
                     : status.WithContext(fmt::format("the view's {}, bytes {} to {}", QuoteName(path), offset,
                                                      offset + destination.size()));
}

Result<std::string> FilePair::ExpectedText(std::uint64_t begin, std::uint64_t end) const {
  std::string text(end - begin, '\0');
  SHARDFS_RETURN_IF_ERROR(ReadExpected(begin, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<std::string> FilePair::FoundText(std::uint64_t begin, std::uint64_t end) const {
  std::string text(end - begin, '\0');
  SHARDFS_RETURN_IF_ERROR(found.ReadAt(begin, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<std::optional<std::uint64_t>> FirstDifference(const FilePair& pair, std::uint64_t begin, std::uint64_t end,
                                                     ComparisonBuffers& buffers, const std::stop_token& stop,
                                                     std::uint64_t& compared) {
  for (std::uint64_t offset = begin; offset < end;) {
    if (stop.stop_requested()) return Status::Cancelled("verifying was cancelled");
    const std::uint64_t size = std::min<std::uint64_t>(ComparisonBuffers::kPieceBytes, end - offset);
    const auto expected = buffers.expected(size);
    const auto found = buffers.found(size);
    SHARDFS_RETURN_IF_ERROR(pair.ReadExpected(offset, expected));
    SHARDFS_RETURN_IF_ERROR(pair.found.ReadAt(offset, found));
    compared += size;
    if (std::memcmp(expected.data(), found.data(), size) != 0) {
      const auto place = std::mismatch(expected.begin(), expected.end(), found.begin()).first;
      return std::optional(offset + static_cast<std::uint64_t>(place - expected.begin()));
    }
    offset += size;
  }
  return std::optional<std::uint64_t>();
}

}  // namespace shardfs
