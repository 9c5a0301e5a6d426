// The files are listed and opened by themselves, so that one that is damaged does not keep the others from being
// checked. A file whose digest is asked for is one task, as a digest is made from front to back; any other weights file
// is cut into parts. Each task reads its bytes once. What the tasks of a file have found is put together afterwards, in
// source_check_report.cc.
#include "verify/source_check.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "base/parallel.h"
#include "base/parallel_tasks.h"
#include "base/quote_name.h"
#include "shardfs/base/file_descriptor.h"
#include "source/descriptor_limit.h"
#include "verify/verifier_directory.h"

namespace shardfs {
namespace {

constexpr std::size_t kMostFolders = 4;                         // deeper than any checkpoint
constexpr std::uint64_t kPartBytes = std::uint64_t{256} << 20;  // of a file whose digest nothing asks for

bool IsWeightsName(std::string_view path) { return path.ends_with(".safetensors") || path.ends_with(".ckpt"); }

}  // namespace

Status SourceCheck::List() {
  if (root_->is_file()) {
    files_.push_back({.path = root_->file(), .is_weights = true});
    return Status::Ok();
  }
  const auto is_named = [this](const std::string& path) {
    return options_.against && options_.against->Find(path) != nullptr;
  };
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<FoundEntry> entries,
                           FindEntries(root_->descriptor(), root_->path(), kMostFolders, is_named));
  for (const FoundEntry& entry : entries) {
    const bool is_counted = options_.weights && options_.weights->contains(root_->NameOf(entry.path));
    const bool is_weights = is_counted || IsWeightsName(entry.path);
    // A link to nothing is an entry of its own kind, and a loss where it should be weights.
    if (entry.type == FoundEntry::Type::kDirectory || (entry.type == FoundEntry::Type::kOther && !is_weights)) continue;
    files_.push_back({.path = entry.path,
                      .size = entry.size,
                      .is_weights = is_weights,
                      .is_counted = is_counted || !options_.weights.has_value()});
  }
  return Status::Ok();
}

void SourceCheck::Open() {
  ParallelFor(files_.size(), [this](std::size_t i) {
    File& file = files_[i];
    if (!file.is_weights) return;
    auto opened = OpenWeightsFiles(*root_, std::span(&file.path, 1), options_.ckpt);
    if (!opened.ok()) {
      file.problem = opened.status();
      return;
    }
    file.weights = std::move(opened->front());
    file.size = file.weights->file->size();
    auto layout = LayOutTensors(*file.weights->tensors, file.weights->file.get());
    if (layout.ok()) {
      file.layout = std::move(*layout);
    } else {
      file.problem = layout.status();
      file.weights.reset();
    }
  });
}

void SourceCheck::Expect() {
  const std::string directory = root_->is_file() ? root_->path().substr(0, root_->path().rfind('/')) : root_->path();
  for (File& file : files_) {
    if (!options_.against) {
      file.expected = FindPublishedDigest(directory, file.path);
    } else if (const Checksum* const checksum = options_.against->Find(file.path)) {
      file.expected = ExpectedDigest{HashKind::kSha256, checksum->sha256, "what " + options_.against_name + " says"};
    }
  }
}

std::vector<HashKind> SourceCheck::HashesOf(const File& file) const {
  std::vector<HashKind> hashes;
  if (file.expected) hashes.push_back(file.expected->kind);
  if (options_.wants_checksums && (!file.expected || file.expected->kind != HashKind::kSha256)) {
    hashes.push_back(HashKind::kSha256);
  }
  return hashes;
}

void SourceCheck::MakeTasks() {
  std::vector<Task> whole;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const File& file = files_[i];
    if (!HashesOf(file).empty()) {
      whole.push_back({i, 0, file.size});
    } else if (!file.layout.ranges.empty()) {
      for (std::uint64_t begin = 0; begin < file.size; begin += kPartBytes) {
        tasks_.push_back({i, begin, std::min(begin + kPartBytes, file.size)});
      }
    }
    for (const std::uint32_t tensor : file.layout.by_plan) {
      tasks_.push_back({i, 0, BytesOf(file.weights->tensors->specs()[tensor]), tensor});
    }
  }
  std::stable_sort(whole.begin(), whole.end(), [](const Task& a, const Task& b) { return a.end > b.end; });
  tasks_.insert(tasks_.begin(), whole.begin(), whole.end());
}

Result<SourceCheck> SourceCheck::Create(std::shared_ptr<const SourceRoot> root, SourceCheckOptions options) {
  SourceCheck check;
  check.root_ = std::move(root);
  check.options_ = std::move(options);
  SHARDFS_RETURN_IF_ERROR(check.List());
  SHARDFS_RETURN_IF_ERROR(ReserveDescriptors(check.files_.size()));
  check.Open();
  check.Expect();
  check.MakeTasks();
  return check;
}

std::uint64_t SourceCheck::total_bytes() const {
  std::uint64_t total = 0;
  for (const Task& task : tasks_) total += task.end - task.begin;
  return total;
}

Result<PassResult> SourceCheck::RunTask(const Task& task, const std::function<void(std::uint64_t)>& progress,
                                        const std::stop_token& stop) const {
  const File& file = files_[task.file];
  if (task.tensor) return PassOverTensor(*file.weights->tensors, *task.tensor, progress, stop);
  PassRequest request{.begin = task.begin, .end = task.end, .digests = HashesOf(file)};
  std::unique_ptr<FileSource> opened;  // of a file that is none of weights, or cannot be read as one
  if (file.weights) {
    request.file = file.weights->file.get();
    request.tensors = file.weights->tensors.get();
    request.layout = &file.layout;
  } else {
    SHARDFS_ASSIGN_OR_RETURN(opened, root_->OpenFile(file.path));
    request.file = opened.get();
    request.end = opened->size();
  }
  const FileDescriptor ahead(
      ::openat(root_->descriptor(), file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  request.read_ahead = ahead.get();
  return PassOver(request, progress, stop);
}

Result<SourceCheckReport> SourceCheck::Run(VerifyProgress& progress, const std::stop_token& cancel) const {
  const auto started = std::chrono::steady_clock::now();
  std::vector<std::atomic<std::size_t>> left(files_.size());  // tasks of each file
  for (const Task& task : tasks_) ++left[task.file];
  for (const auto& tasks : left) progress.files_done += tasks == 0 ? 1 : 0;
  std::vector<std::optional<Result<PassResult>>> results(tasks_.size());
  const auto run = [&](std::size_t i, const std::stop_token& stop) {
    const Task& task = tasks_[i];
    progress.current_file.store(static_cast<std::uint32_t>(task.file), std::memory_order_relaxed);
    results[i] = RunTask(
        task, [&progress](std::uint64_t bytes) { progress.bytes_done.fetch_add(bytes, std::memory_order_relaxed); },
        stop);
    if (--left[task.file] == 0) ++progress.files_done;
    const Status& status = results[i]->status();
    return status.code() == StatusCode::kCancelled ? status : Status::Ok();
  };
  SHARDFS_RETURN_IF_ERROR(RunTasks(tasks_.size(), options_.threads, cancel, run));
  SourceCheckReport report = Report(Gather(results));
  report.bytes_read = progress.bytes_done;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

std::vector<SourceCheck::Found> SourceCheck::Gather(std::vector<std::optional<Result<PassResult>>>& results) const {
  std::vector<Found> found(files_.size());
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    const Task& task = tasks_[i];
    Found& of_file = found[task.file];
    if (!results[i]->ok()) {
      if (of_file.problem.ok()) of_file.problem = results[i]->status();
      continue;
    }
    PassResult& result = **results[i];
    for (const auto& [tensor, values] : result.values) of_file.pass.values[tensor] += values;
    if (!result.digests.empty()) of_file.pass.digests = std::move(result.digests);
    auto& zeros = task.tensor ? of_file.zeros[*task.tensor] : of_file.pass.zeros;
    zeros.insert(zeros.end(), result.zeros.begin(), result.zeros.end());
  }
  return found;
}

}  // namespace shardfs
