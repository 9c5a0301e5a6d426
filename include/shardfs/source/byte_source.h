// ByteSource: the bytes of one source file, readable at random; the seam that tests replace with a faulty one.
//
// Contract: ReadAt reads exactly the span or fails. A short read means that the source changed. Never zeros instead of
// bytes, never a partial result called success.
// Thread-safety: all members may be called from any number of threads at once.
// Ownership: whoever holds a pointer to a ByteSource keeps its owner (the Checkpoint) alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "shardfs/base/status.h"

namespace shardfs {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills all of `destination` from `offset` (bytes). kSourceChanged when the file is no longer the one that was
  // opened (size or mtime differ), kIoError when the operating system failed.
  virtual Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const = 0;

  // The whole source mapped read-only, or empty if it is not mapped. Valid for the life of the ByteSource. Touching it
  // raises SIGBUS where the file has been truncated or its device fails: go through WithFaultGuard (fault_guard.h) and
  // call CheckUnchanged() after the bytes have been taken and before they are handed on.
  virtual std::span<const std::byte> Mapped() const { return {}; }

  // Prepares Mapped() bytes [offset, offset + size) for being touched: pages that are mapped many at a time cost a
  // fifth of what they do when each is faulted in. Best effort. Ask IsCached() before: what is not in memory is read.
  virtual void Populate(std::uint64_t /*offset*/, std::uint64_t /*size*/) const {}

  // OK, or kSourceChanged as ReadAt would say it.
  virtual Status CheckUnchanged() const { return Status::Ok(); }

  // OK, or kSourceChanged when the name that was opened leads to another file now, or to none. That harms no read: the
  // file that was opened goes on to be read. OK as well where it cannot be told.
  virtual Status CheckName() const { return Status::Ok(); }

  // Whether [offset, offset + size) is in memory, as far as a few probes can tell; false where that cannot be asked.
  virtual bool IsCached(std::uint64_t /*offset*/, std::uint64_t /*size*/) const { return true; }

  // Has [offset, offset + size) brought into memory, and waits for it. For who works through the source in ascending
  // order. Best effort: whatever fails here shows again when the bytes are read.
  virtual void Prefetch(std::uint64_t /*offset*/, std::uint64_t /*size*/) const {}

  // Tells the system that it need not keep [offset, offset + size) in memory. Best effort; the bytes stay readable.
  virtual void DropCached(std::uint64_t /*offset*/, std::uint64_t /*size*/) const {}

  // When the file was last written, in nanoseconds since the epoch, as when it was opened; 0 where that is not known.
  virtual std::int64_t mtime_ns() const { return 0; }

  // Sources of one number are in one file system, and fall silent together when its server or device does.
  virtual std::uint64_t file_system() const { return 0; }

  virtual std::uint64_t size() const = 0;       // bytes, as when it was opened
  virtual const std::string& name() const = 0;  // its path below its root, for messages: see SourceSet
};

}  // namespace shardfs
