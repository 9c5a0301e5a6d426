// FileSource: a ByteSource over a regular file, held open and mapped for as long as it lives.
//
// Because the descriptor is held, replacing or deleting the name cannot redirect a read: the old bytes are served, and
// CheckName() says so to whoever asks.
// A change of size or mtime latches "source changed": from then on every read fails. mtime is the granularity of the
// guard: an in-place write within one clock tick of the open is not seen, nor one by a mapping that was being written
// to already. ctime is not looked at, though it would show a write whose mtime was set back: chmod, chown, a hard link
// made or removed, a rename, an unlink, an extended attribute and `touch -a` change it as well and leave the bytes
// alone, and backups, cache managers and the replacing of files do these to a source that is in use. An alarm fails
// all reads for good, so it must never be false; setting mtime back to the nanosecond takes intent, and who may write
// to the source needs no such trick to harm its readers.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

// A name that can only mean an entry of the directory itself: not empty, no '/', no NUL, not "." or "..".
bool IsPlainName(std::string_view name);

// Plain names joined by single '/', so that the path leads nowhere but down.
bool IsPlainPath(std::string_view path);

// Every member but the destructor may be called from any number of threads at once.
class FileSource final : public ByteSource {
 public:
  // Opens `path`, relative to the directory `directory_fd`, for reading. Symbolic links are followed (Hugging Face
  // caches are links to blobs), what they lead to must be a regular file: FIFOs and devices are refused without
  // blocking. kInvalidArgument when a part of `path` is no plain name, kNotFound when it does not exist, kCorruption
  // when what it links to does not or it is no regular file. Errors name the file by `name`, which is `path` unless it
  // is given. The directory stays the caller's, and CheckName() uses it.
  static Result<std::unique_ptr<FileSource>> Open(int directory_fd, const std::string& path, std::string name = "");

  ~FileSource() override;

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  std::span<const std::byte> Mapped() const override;
  void Populate(std::uint64_t offset, std::uint64_t size) const override;
  Status CheckUnchanged() const override;
  Status CheckName() const override;  // only while the directory is open
  bool IsCached(std::uint64_t offset, std::uint64_t size) const override;
  void Prefetch(std::uint64_t offset, std::uint64_t size) const override;
  void DropCached(std::uint64_t offset, std::uint64_t size) const override;
  std::uint64_t file_system() const override { return device_; }
  std::uint64_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

  // True once a read or CheckUnchanged() has seen a change; looks at nothing itself.
  bool changed() const { return changed_.load(std::memory_order_relaxed); }
  std::int64_t mtime_ns() const override { return mtime_ns_; }

 private:
  FileSource() = default;

  Status Changed(const std::string& difference) const;  // latches, and says so
  bool IsPopulated(std::uint64_t block) const;          // of kPopulateBytes, by Populate()

  FileDescriptor fd_;
  std::string name_;
  std::string path_;       // in the directory
  int directory_fd_ = -1;  // borrowed
  dev_t device_ = 0;       // with inode_: which file it is
  ino_t inode_ = 0;
  std::uint64_t size_ = 0;
  std::int64_t mtime_ns_ = 0;
  const std::byte* mapping_ = nullptr;
  mutable std::unique_ptr<std::atomic<std::uint64_t>[]> populated_;  // a bit for each kPopulateBytes of the mapping
  mutable std::atomic<bool> ascending_{false};  // whether the mapping's faults have been told to read forward only
  mutable std::atomic<bool> changed_{false};    // a latch: only ever goes from false to true
};

}  // namespace shardfs
