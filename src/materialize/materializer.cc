#include "shardfs/materialize/materializer.h"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "materialize/output_tree.h"

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

// One run: the workers' shared state. Work() may run on any number of threads at once.
class Run {
 public:
  Run(const MaterializePlan& plan, OutputTree& output, MaterializeProgress& progress, std::stop_token cancel)
      : plan_(plan),
        output_(output),
        progress_(progress),
        order_(OrderOfWork(plan.files())),
        forward_cancel_(std::move(cancel), [this] { stop_.request_stop(); }) {}

  // A worker's life.
  void Work() {
    try {
      TakeFiles();
    } catch (const std::bad_alloc&) {
      Fail(Status::ResourceExhausted("out of memory; use fewer threads"));
    }
  }

  void Fail(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (first_error_.ok()) first_error_ = status;
    stop_.request_stop();
  }

  // After all workers have returned.
  Status Outcome() const {
    if (first_error_.ok() && finished_ < order_.size()) return Cancelled();
    return first_error_;
  }

 private:
  static Status Cancelled() { return Status::Cancelled("cancelled"); }

  // Writes files until there are no more or somebody asks to stop.
  void TakeFiles() {
    const std::unique_ptr<std::byte, decltype(&std::free)> buffer(
        static_cast<std::byte*>(std::aligned_alloc(kPageBytes, kChunkBytes)), &std::free);
    if (!buffer) return Fail(Status::ResourceExhausted("no memory for a copy buffer of 4 MiB; use fewer threads"));
    while (!stop_.stop_requested()) {
      const std::size_t turn = next_.fetch_add(1, std::memory_order_relaxed);
      if (turn >= order_.size()) return;
      if (Status status = WriteFile(order_[turn], {buffer.get(), kChunkBytes}); !status.ok()) return Fail(status);
    }
  }

  Status WriteFile(std::size_t index, std::span<std::byte> buffer) {
    const PlannedFile& planned = plan_.files()[index];
    progress_.current_file.store(static_cast<std::uint32_t>(index), std::memory_order_relaxed);
    SHARDFS_ASSIGN_OR_RETURN(FileDescriptor file, output_.BeginFile(index));
    const std::uint64_t size = planned.file->size();
    for (std::uint64_t offset = 0; offset < size;) {
      if (stop_.stop_requested()) return Cancelled();
      const auto chunk = buffer.first(std::min<std::uint64_t>(buffer.size(), size - offset));
      if (Status status = planned.file->ReadAt(offset, chunk); !status.ok()) {
        return status.WithContext(fmt::format("'{}', bytes {} to {}", planned.path, offset, offset + chunk.size()));
      }
      SHARDFS_RETURN_IF_ERROR(WriteAll(file.get(), offset, chunk, planned.path));
      offset += chunk.size();
      progress_.bytes_done.fetch_add(chunk.size(), std::memory_order_relaxed);
    }
    SHARDFS_RETURN_IF_ERROR(output_.FinishFile(index, std::move(file)));
    progress_.files_done.fetch_add(1, std::memory_order_relaxed);
    finished_.fetch_add(1, std::memory_order_relaxed);
    return Status::Ok();
  }

  Status WriteAll(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::string& path) const {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return Status::FromErrno(errno, fmt::format("cannot write '{}'", output_.FullPath(path)));
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return Status::Ok();
  }

  const MaterializePlan& plan_;
  OutputTree& output_;
  MaterializeProgress& progress_;
  const std::vector<std::size_t> order_;
  std::atomic<std::size_t> next_{0};      // place in order_
  std::atomic<std::size_t> finished_{0};  // files under their names
  std::stop_source stop_;                 // a worker failed, or the caller cancelled
  std::stop_callback<std::function<void()>> forward_cancel_;
  std::mutex mutex_;  // guards first_error_ while workers run
  Status first_error_;
};

void RunWorkers(Run& run, int threads) {
  // TBB starts no more threads than there are CPUs unless it is allowed to.
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);
  arena.execute([&run, threads] {
    tbb::task_group workers;
    for (int i = 0; i < threads; ++i) workers.run([&run] { run.Work(); });
    workers.wait();
  });
}

Status WriteTree(const MaterializePlan& plan, unsigned threads, OutputTree& output, MaterializeProgress& progress,
                 const std::stop_token& cancel) {
  SHARDFS_RETURN_IF_ERROR(output.MakeDirectories());
  Run run(plan, output, progress, cancel);
  const std::size_t wanted = threads != 0 ? threads : static_cast<std::size_t>(tbb::info::default_concurrency());
  const std::size_t workers = std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(plan.files().size(), 1));
  try {
    RunWorkers(run, static_cast<int>(workers));
  } catch (const std::exception& error) {  // bad_alloc, or the system refuses another thread
    run.Fail(Status::ResourceExhausted(fmt::format("cannot run {} workers: {}", workers, error.what())));
  }
  SHARDFS_RETURN_IF_ERROR(run.Outcome());
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
