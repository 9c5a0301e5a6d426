#include "shardfs/source/file_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <new>

#include "base/quote_name.h"

namespace shardfs {
namespace {

// The most that one pread is asked for: below the kernel's own limit of 2 GiB less a page.
constexpr std::size_t kMaxReadBytes = std::size_t{1} << 30;

// The kernel cuts a larger request for read-ahead down to what the device's read-ahead allows (128 KiB by default).
constexpr std::uint64_t kPrefetchStep = std::uint64_t{128} << 10;

// The kernel's own page: 4 KiB on x86-64; 4, 16 or 64 KiB on aarch64. madvise(2) takes multiples of nothing less.
const std::uint64_t kPageBytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

// Linux has it since 5.14, the C library's headers since glibc 2.35.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

std::int64_t ModificationTime(const struct stat& attributes) {
  return std::int64_t{attributes.st_mtim.tv_sec} * 1'000'000'000 + attributes.st_mtim.tv_nsec;
}

// Of the mapping, for Populate.
constexpr std::uint64_t kPopulateBytes = std::uint64_t{64} << 10;
// What one page of page tables covers: threads that fill the same one wait for each other.
constexpr std::uint64_t kPageTableBytes = std::uint64_t{2} << 20;
// From so many bytes on whole page tables are filled. Who reads less is not asked to pay for more.
constexpr std::uint64_t kWidenBytes = std::uint64_t{256} << 10;

Status OpenError(int error_number, int directory_fd, const std::string& path, const std::string& name) {
  std::array<char, PATH_MAX> target;
  if (error_number == ENOENT) {
    const ssize_t length = ::readlinkat(directory_fd, path.c_str(), target.data(), target.size());
    if (length >= 0) {  // the name is there: a damaged directory, whoever asks
      return Status::Corruption(fmt::format("{} is missing: it is a link to {}, which does not exist", QuoteName(name),
                                            QuoteName({target.data(), static_cast<std::size_t>(length)})));
    }
    return Status::NotFound(fmt::format("{} is missing", QuoteName(name)));
  }
  if (error_number == ELOOP) {
    return Status::Corruption(fmt::format("{} is a link that leads to itself, or through too many", QuoteName(name)));
  }
  Status status = Status::FromErrno(error_number, fmt::format("cannot open {}", QuoteName(name)));
  if (error_number != EMFILE) return status;
  return Status::ResourceExhausted(
      fmt::format("{}; raise the limit on open files (ulimit -n) above the number of files", status.message()));
}

// Whether the page of byte `at` is in memory. File systems that cannot say it of a read (FUSE, many servers') can say
// it of a mapping, where there is one; the kernel tells the truth of that to root and to the file's owner alone.
bool IsPageCached(int fd, const std::byte* mapping, std::uint64_t at) {
  char byte;
  const struct iovec target = {&byte, 1};
  const ssize_t got = ::preadv2(fd, &target, 1, static_cast<off_t>(at), RWF_NOWAIT);
  if (got >= 0 || errno != EOPNOTSUPP || mapping == nullptr) return got == 1;
  struct stat attributes = {};
  const uid_t user = ::geteuid();
  if (user != 0 && (::fstat(fd, &attributes) != 0 || attributes.st_uid != user)) return false;
  unsigned char is_resident = 0;
  void* const page = const_cast<std::byte*>(mapping + at / kPageBytes * kPageBytes);
  return ::mincore(page, kPageBytes, &is_resident) == 0 && (is_resident & 1) != 0;
}

Status NotRegular(const std::string& name) {
  return Status::Corruption(fmt::format("{} is not a regular file, nor a link to one", QuoteName(name)));
}

}  // namespace

bool IsPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos && name.find('\0') == name.npos;
}

bool IsPlainPath(std::string_view path) {
  for (;;) {
    const std::size_t slash = path.find('/');
    if (!IsPlainName(path.substr(0, slash))) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

Result<std::unique_ptr<FileSource>> FileSource::Open(int directory_fd, const std::string& path, std::string name) {
  if (name.empty()) name = path;
  if (!IsPlainPath(path)) {
    return Status::InvalidArgument(fmt::format("{} is not the plain name of a file in the directory", QuoteName(name)));
  }
  // Looked at before it is opened, as opening a device can have effects; and again after, as it may be another by then.
  struct stat attributes = {};
  if (::fstatat(directory_fd, path.c_str(), &attributes, 0) != 0) return OpenError(errno, directory_fd, path, name);
  if (!S_ISREG(attributes.st_mode)) return NotRegular(name);
  FileDescriptor fd(::openat(directory_fd, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return OpenError(errno, directory_fd, path, name);
  if (::fstat(fd.get(), &attributes) != 0)
    return Status::FromErrno(errno, fmt::format("cannot stat {}", QuoteName(name)));
  if (!S_ISREG(attributes.st_mode)) return NotRegular(name);

  std::unique_ptr<FileSource> source(new (std::nothrow) FileSource);
  if (source == nullptr) return Status::ResourceExhausted(fmt::format("no memory to open {}", QuoteName(name)));
  source->fd_ = std::move(fd);
  source->name_ = std::move(name);
  source->path_ = path;
  source->directory_fd_ = directory_fd;
  source->device_ = attributes.st_dev;
  source->inode_ = attributes.st_ino;
  source->size_ = static_cast<std::uint64_t>(attributes.st_size);
  source->mtime_ns_ = ModificationTime(attributes);
  if (source->size_ != 0) {
    // The mapping only saves copies: without one (address space limited, a file system that cannot) ReadAt serves.
    void* mapping = ::mmap(nullptr, source->size_, PROT_READ, MAP_SHARED, source->fd_.get(), 0);
    if (mapping != MAP_FAILED) {
      source->mapping_ = static_cast<const std::byte*>(mapping);
      source->populated_ = std::make_unique<std::atomic<std::uint64_t>[]>(source->size_ / kPopulateBytes / 64 + 1);
    }
  }
  return source;
}

FileSource::~FileSource() {
  if (mapping_ != nullptr) ::munmap(const_cast<std::byte*>(mapping_), size_);
}

std::span<const std::byte> FileSource::Mapped() const {
  return mapping_ == nullptr ? std::span<const std::byte>{} : std::span<const std::byte>{mapping_, size_};
}

void FileSource::Populate(std::uint64_t offset, std::uint64_t size) const {
  if (mapping_ == nullptr || offset >= size_ || size == 0) return;
  // Behind a read-ahead memory may be short, and a page that is mapped before its turn drives out one that is due.
  if (ascending_.load(std::memory_order_relaxed)) return;
  std::uint64_t end = offset + std::min(size, size_ - offset);
  if (end - offset >= kWidenBytes) {
    offset = offset / kPageTableBytes * kPageTableBytes;
    end = std::min((end + kPageTableBytes - 1) / kPageTableBytes * kPageTableBytes, size_);
  }
  std::uint64_t block = offset / kPopulateBytes;
  const std::uint64_t behind = (end + kPopulateBytes - 1) / kPopulateBytes;
  while (block < behind) {
    if (IsPopulated(block)) {
      ++block;
      continue;
    }
    const std::uint64_t first = block;
    while (block < behind && !IsPopulated(block)) ++block;
    const std::uint64_t from = std::max(first * kPopulateBytes, offset / kPageBytes * kPageBytes);
    const std::uint64_t to = std::min(block * kPopulateBytes, end);
    // Noted first, so that threads side by side do not do it twice: what one of them touches meanwhile is a fault.
    // Blocks that are covered in part only are asked for again by their other part.
    for (std::uint64_t full = first; full < block; ++full) {
      const bool covered = full * kPopulateBytes >= from && std::min((full + 1) * kPopulateBytes, size_) <= to;
      if (covered) populated_[full / 64].fetch_or(std::uint64_t{1} << (full % 64), std::memory_order_relaxed);
    }
    // Kernels before 5.14 do not know this advice: there, and where it fails, pages are faulted in as they are touched.
    if (::madvise(const_cast<std::byte*>(mapping_ + from), to - from, MADV_POPULATE_READ) != 0) return;
  }
}

bool FileSource::IsPopulated(std::uint64_t block) const {
  return (populated_[block / 64].load(std::memory_order_relaxed) >> (block % 64) & 1) != 0;
}

Status FileSource::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  if (offset > size_ || destination.size() > size_ - offset) {
    return Status::InvalidArgument(fmt::format("a read of {} bytes at offset {} of {} goes beyond its {} bytes",
                                               destination.size(), offset, QuoteName(name_), size_));
  }
  if (changed()) return CheckUnchanged();
  for (std::size_t done = 0; done < destination.size();) {
    const std::size_t wanted = std::min(destination.size() - done, kMaxReadBytes);
    const ssize_t got = ::pread(fd_.get(), destination.data() + done, wanted, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return Status::FromErrno(
          errno, fmt::format("cannot read {} bytes at offset {} of {}", wanted, offset + done, QuoteName(name_)));
    }
    if (got == 0) return Changed(fmt::format("it ends at offset {} instead of {}", offset + done, size_));
    done += static_cast<std::size_t>(got);
  }
  // Only now: a change before this point may have been read, a later one cannot have been.
  return CheckUnchanged();
}

Status FileSource::CheckUnchanged() const {
  struct stat attributes = {};
  if (::fstat(fd_.get(), &attributes) != 0)
    return Status::FromErrno(errno, fmt::format("cannot stat {}", QuoteName(name_)));
  if (static_cast<std::uint64_t>(attributes.st_size) != size_) {
    return Changed(fmt::format("its size was {} bytes and is {}", size_, attributes.st_size));
  }
  if (const std::int64_t now = ModificationTime(attributes); now != mtime_ns_) {
    return Changed(fmt::format("its modification time was {} ns and is {} ns", mtime_ns_, now));
  }
  if (changed()) return Changed("it was seen with another size or modification time");
  return Status::Ok();
}

Status FileSource::CheckName() const {
  struct stat attributes = {};
  const char* what = "replaced";
  if (::fstatat(directory_fd_, path_.c_str(), &attributes, 0) != 0) {
    // Any other error means that looking has failed (a directory that may no longer be searched, a server away).
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) return Status::Ok();
    what = "deleted";
  } else if (attributes.st_dev == device_ && attributes.st_ino == inode_) {
    return Status::Ok();  // an inode that is held open keeps its number to itself
  }
  return Status::SourceChanged(
      fmt::format("source file {} has been {} since it was opened; its old bytes are shown until the unmount",
                  QuoteName(name_), what));
}

bool FileSource::IsCached(std::uint64_t offset, std::uint64_t size) const {
  // One byte of every so many: pages come and go in runs that are longer.
  constexpr std::uint64_t kProbeEvery = std::uint64_t{1} << 20;
  if (offset >= size_ || size == 0) return true;
  const std::uint64_t end = offset + std::min(size, size_ - offset);
  // Behind a read-ahead nothing is populated, and what was before may have gone.
  if (mapping_ != nullptr && !ascending_.load(std::memory_order_relaxed)) {
    std::uint64_t block = offset / kPopulateBytes;
    while (block * kPopulateBytes < end && IsPopulated(block)) ++block;
    if (block * kPopulateBytes >= end) return true;
  }
  for (std::uint64_t at = offset; at < end; at += kProbeEvery) {
    if (!IsPageCached(fd_.get(), mapping_, at)) return false;
  }
  return IsPageCached(fd_.get(), mapping_, end - 1);
}

void FileSource::Prefetch(std::uint64_t offset, std::uint64_t size) const {
  if (offset >= size_ || size == 0) return;
  const std::uint64_t end = offset + std::min(size, size_ - offset);
  // Faults of the mapping read around themselves otherwise, and so again what has been used and dropped.
  if (mapping_ != nullptr && !ascending_.exchange(true, std::memory_order_relaxed)) {
    ::madvise(const_cast<std::byte*>(mapping_), size_, MADV_SEQUENTIAL);
  }
  // All requests first, so that they are under way together; then a touch of each, which waits for it.
  for (std::uint64_t at = offset; at < end; at += kPrefetchStep) {
    const std::uint64_t step = std::min(kPrefetchStep, end - at);
    ::posix_fadvise(fd_.get(), static_cast<off_t>(at), static_cast<off_t>(step), POSIX_FADV_WILLNEED);
  }
  for (std::uint64_t at = offset; at < end; at += kPrefetchStep) {
    char byte;
    if (::pread(fd_.get(), &byte, 1, static_cast<off_t>(std::min(at + kPrefetchStep, end) - 1)) != 1) return;
  }
}

void FileSource::DropCached(std::uint64_t offset, std::uint64_t size) const {
  if (offset >= size_ || size == 0) return;
  // Whole pages. The one that the range begins in goes as well, because who needed its other half came before; the one
  // that it ends in stays, unless the file ends there.
  const std::uint64_t begin = offset / kPageBytes * kPageBytes;
  const std::uint64_t end = size >= size_ - offset ? size_ : (offset + size) / kPageBytes * kPageBytes;
  if (begin >= end) return;
  // A page that is in somebody's page table is not dropped.
  if (mapping_ != nullptr) ::madvise(const_cast<std::byte*>(mapping_ + begin), end - begin, MADV_DONTNEED);
  ::posix_fadvise(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin), POSIX_FADV_DONTNEED);
}

Status FileSource::Changed(const std::string& difference) const {
  changed_.store(true, std::memory_order_relaxed);
  return Status::SourceChanged(fmt::format(
      "source file {} has changed since it was opened: {}; restore it and start again", QuoteName(name_), difference));
}

}  // namespace shardfs
