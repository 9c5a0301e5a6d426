#include "shardfs/materialize/materializer.h"

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "materialize/output_tree.h"
#include "materialize/parallel_tasks.h"

namespace shardfs {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{4} << 20;
constexpr std::size_t kPageBytes = 4096;

// The order in which files are started: large ones first, so that no worker is left alone with a large one at the end.
std::vector<std::size_t> OrderOfWork(std::span<const PlannedFile> files) {
  std::vector<std::size_t> order(files.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&files](std::size_t a, std::size_t b) { return files[a].file->size() > files[b].file->size(); });
  return order;
}

// A worker's buffer, at a page boundary.
class CopyBuffer {
 public:
  std::span<std::byte> Get() {
    if (bytes_ == nullptr) bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, kChunkBytes)));
    if (bytes_ == nullptr) throw std::bad_alloc();
    return {bytes_.get(), kChunkBytes};
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
};

Status WriteAll(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return Status::FromErrno(errno, fmt::format("cannot write '{}'", path));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return Status::Ok();
}

// Writes the files of one plan. Write() may run on any number of threads at once, each with a file of its own.
class FileWriter {
 public:
  FileWriter(const MaterializePlan& plan, OutputTree& output, MaterializeProgress& progress)
      : plan_(plan), output_(output), progress_(progress) {}

  Status Write(std::size_t index, const std::stop_token& stop) {
    const PlannedFile& planned = plan_.files()[index];
    const std::span<std::byte> buffer = buffers_.local().Get();
    progress_.current_file.store(static_cast<std::uint32_t>(index), std::memory_order_relaxed);
    SHARDFS_ASSIGN_OR_RETURN(FileDescriptor file, output_.BeginFile(index));
    const std::uint64_t size = planned.file->size();
    for (std::uint64_t offset = 0; offset < size;) {
      if (stop.stop_requested()) return Status::Cancelled("cancelled");
      const auto chunk = buffer.first(std::min<std::uint64_t>(buffer.size(), size - offset));
      if (Status status = planned.file->ReadAt(offset, chunk); !status.ok()) {
        return status.WithContext(fmt::format("'{}', bytes {} to {}", planned.path, offset, offset + chunk.size()));
      }
      SHARDFS_RETURN_IF_ERROR(WriteAll(file.get(), offset, chunk, output_.FullPath(planned.path)));
      offset += chunk.size();
      progress_.bytes_done.fetch_add(chunk.size(), std::memory_order_relaxed);
    }
    SHARDFS_RETURN_IF_ERROR(output_.FinishFile(index, std::move(file)));
    progress_.files_done.fetch_add(1, std::memory_order_relaxed);
    return Status::Ok();
  }

 private:
  const MaterializePlan& plan_;
  OutputTree& output_;
  MaterializeProgress& progress_;
  tbb::enumerable_thread_specific<CopyBuffer> buffers_;
};

Status WriteTree(const MaterializePlan& plan, unsigned threads, OutputTree& output, MaterializeProgress& progress,
                 const std::stop_token& cancel) {
  SHARDFS_RETURN_IF_ERROR(output.MakeDirectories());
  FileWriter writer(plan, output, progress);
  const std::vector<std::size_t> order = OrderOfWork(plan.files());
  SHARDFS_RETURN_IF_ERROR(RunTasks(order.size(), threads, cancel, [&](std::size_t turn, const std::stop_token& stop) {
    return writer.Write(order[turn], stop);
  }));
  return output.Finish();
}

// Removes what a run that ended with `status` wrote, and says so.
Status Undo(const MaterializePlan& plan, OutputTree& output, const Status& status) {
  const Status undone = output.Rollback();
  if (!undone.ok()) {
    return status.WithContext(
        fmt::format("'{}' is incomplete and must not be used ({}; remove it)", plan.destination(), undone.message()));
  }
  if (status.code() == StatusCode::kCancelled) {
    return Status::Cancelled(
        fmt::format("materializing to '{}' was cancelled, and what it wrote was removed", plan.destination()));
  }
  return status.WithContext(
      fmt::format("materializing to '{}' failed, and what it wrote was removed", plan.destination()));
}

}  // namespace

Result<MaterializeSummary> Materialize(const MaterializePlan& plan, const MaterializeOptions& options,
                                       MaterializeProgress& progress, std::stop_token cancel) {
  const auto start = std::chrono::steady_clock::now();
  OutputTree output(plan, options);
  const Status status = WriteTree(plan, options.threads, output, progress, cancel);
  if (!status.ok()) return Undo(plan, output, status);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return MaterializeSummary{plan.files().size(), plan.directories().size(), plan.total_bytes(), elapsed.count()};
}

}  // namespace shardfs
