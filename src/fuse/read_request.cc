#include "fuse/read_request.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "fuse/request.h"
#include "fuse/thread_buffer.h"

namespace shardfs {
namespace {

// Counts one READ while it is worked on, and measures how long that takes.
class ReadInProgress {
 public:
  explicit ReadInProgress(FuseCounters::Share& counters) : counters_(counters) {
    counters_.reads_in_progress.fetch_add(1, std::memory_order_relaxed);
  }
  ~ReadInProgress() {
    const auto elapsed = std::chrono::steady_clock::now() - begin_;
    counters_.read_latency.Record(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count()));
    counters_.reads_in_progress.fetch_sub(1, std::memory_order_relaxed);
  }
  ReadInProgress(const ReadInProgress&) = delete;
  ReadInProgress& operator=(const ReadInProgress&) = delete;

 private:
  FuseCounters::Share& counters_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// " (source /models/r1/model-00001.safetensors, offset 4096)": of the range's source files the one that `cause` names,
// else the first; empty for bytes that come from no source.
std::string SourcePlace(const Filesystem& filesystem, const VirtualFile& file, std::uint64_t offset,
                        std::uint64_t length, std::string_view cause) {
  SourceSpan place;
  bool named = false;
  std::size_t spans = 0;
  file.VisitSources(offset, length, [&](const SourceSpan& span) {
    ++spans;
    const bool is_named = !named && cause.find(span.source->name()) != std::string_view::npos;
    if (place.source == nullptr || is_named) place = span;
    named = named || is_named;
  });
  if (place.source == nullptr) return "";
  const std::string& name = place.source->name();
  const std::string more = spans > 1 ? fmt::format(", and {} more ranges", spans - 1) : "";
  return fmt::format(" (source {}, offset {}{})", filesystem.source_path ? filesystem.source_path(name) : name,
                     place.offset, more);
}

void LogFailure(Filesystem& filesystem, NodeId id, std::string_view text) {
  const FailureLog::Decision decision = filesystem.failure_log.Admit(id, FailureLog::Clock::now());
  if (decision.held_back > 0) {
    spdlog::error("{} more reads have failed, of files that were named before", decision.held_back);
  }
  if (decision.write) spdlog::error("{}", text);
  if (decision.pauses) {
    spdlog::error("reads keep failing; for up to {} seconds those of the files named so far are only counted",
                  FailureLog::kPeriod.count());
  }
}

void ReportFailure(Filesystem& filesystem, NodeId id, std::uint64_t offset, std::uint64_t length,
                   const Status& status) {
  filesystem.counters.CountError(CauseOf(status.code()));
  std::string text = fmt::format(
      "cannot read {} bytes at offset {} of {}{}: {}", length, offset, filesystem.tree->PathOf(id),
      SourcePlace(filesystem, *filesystem.tree->node(id).file, offset, length, status.message()), status.message());
  LogFailure(filesystem, id, text);
  filesystem.last_error.Set(std::move(text));
}

// Out of memory: what is said of it must do without.
void ReportNoMemory(Filesystem& filesystem, NodeId id, std::uint64_t offset, std::uint64_t length) {
  filesystem.counters.CountError(ReadErrorCause::kOutOfMemory);
  try {
    LogFailure(filesystem, id,
               fmt::format("cannot read {} bytes at offset {} of {}: out of memory", length, offset,
                           filesystem.tree->PathOf(id)));
  } catch (const std::bad_alloc&) {
    return;  // counted at least
  }
}

// Fills `buffer` with `length` bytes of the file; an errno, or 0.
int Fill(Filesystem& filesystem, NodeId id, std::uint64_t offset, std::uint64_t length, std::span<std::byte>& buffer) {
  bool counted = false;
  try {
    buffer = ThreadBuffer::Get(length);
    const Status status = filesystem.tree->node(id).file->ReadAt(offset, buffer);
    if (status.ok()) return 0;
    counted = true;
    ReportFailure(filesystem, id, offset, length, status);
    return ToErrno(status.code());
  } catch (const std::bad_alloc&) {
    if (!counted) ReportNoMemory(filesystem, id, offset, length);
    return counted ? EIO : ENOMEM;
  }
}

}  // namespace

void ReadViewFile(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t signed_offset) {
  Filesystem& filesystem = FilesystemOf(request);
  FuseCounters::Share& share = filesystem.counters.mine();
  const ReadInProgress in_progress(share);
  const VirtualFile& file = *filesystem.tree->node(NodeOf(inode)).file;
  FuseCounters::Kind& counters = share.of(file.kind());
  // A direct read that goes past the end comes in requests of which the last may lie wholly behind it.
  const std::uint64_t offset = std::min(static_cast<std::uint64_t>(signed_offset), file.size());
  const std::uint64_t length = std::min<std::uint64_t>(size, file.size() - offset);
  std::span<std::byte> buffer;
  const int error = length == 0 ? 0 : Fill(filesystem, NodeOf(inode), offset, length, buffer);
  counters.reads.fetch_add(1, std::memory_order_relaxed);
  if (error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  counters.bytes.fetch_add(length, std::memory_order_relaxed);
  fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), length);
}

}  // namespace shardfs
