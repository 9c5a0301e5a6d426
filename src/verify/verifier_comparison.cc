#include "verify/verifier_comparison.h"

#include <algorithm>
#include <string_view>

#include "base/parallel_tasks.h"
#include "verify/verifier_describe.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

// Large enough that opening a file and seeking do not count, small enough to spread one file over all threads.
constexpr std::uint64_t kChunkBytes = std::uint64_t{8} << 20;

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Comparison::Comparison(std::span<const ComparedFile> files, const Directory& directory, const VerifyOptions& options,
                       VerifyProgress& progress)
    : files_(files), directory_(directory), options_(options), progress_(progress), states_(files.size()) {}

Status Comparison::Run(const std::stop_token& cancel) {
  SHARDFS_RETURN_IF_ERROR(
      RunTasks(files_.size(), options_.threads, cancel,
               [this](std::size_t index, const std::stop_token& stop) { return CompareStart(index, stop); }));
  std::vector<std::uint64_t> first_chunk;  // by file; chunks count through all files
  std::uint64_t chunks = 0;
  for (State& state : states_) {
    first_chunk.push_back(chunks);
    state.chunks_left = CeilDiv(state.end - state.begin, kChunkBytes);
    chunks += state.chunks_left;
  }
  return RunTasks(chunks, options_.threads, cancel, [&](std::size_t number, const std::stop_token& stop) {
    const auto after = std::upper_bound(first_chunk.begin(), first_chunk.end(), number);
    const auto index = static_cast<std::size_t>(after - first_chunk.begin()) - 1;
    return CompareChunk(index, number - first_chunk[index], stop);
  });
}

void Comparison::Started(std::size_t index) {
  progress_.current_file.store(static_cast<std::uint32_t>(index), std::memory_order_relaxed);
}

Status Comparison::CompareStart(std::size_t index, const std::stop_token& stop) {
  Started(index);
  const ComparedFile& compared = files_[index];
  SHARDFS_ASSIGN_OR_RETURN(const FoundFile found,
                           FoundFile::Open(directory_.fd, directory_.path, compared.found_path, compared.found_size));
  const FilePair pair{compared.path, *compared.file, found};
  State& state = states_[index];
  const std::uint64_t size = pair.file.size();
  if (pair.file.kind() == FileKind::kTensors) {
    SHARDFS_RETURN_IF_ERROR(CompareHeader(index, pair, stop));
  } else if (pair.file.kind() == FileKind::kGenerated &&
             options_.order_insensitive_json.contains(BaseName(compared.path))) {
    SHARDFS_ASSIGN_OR_RETURN(state.difference, CompareJson(pair, options_.optional_json_keys, options_.free_json_members));
    bytes_compared_ += size;
  } else if (!options_.quick) {
    state.end = std::min(size, found.size());
    if (state.end == 0) SHARDFS_RETURN_IF_ERROR(FinishData(index, pair));
  } else if (size != found.size()) {
    SHARDFS_ASSIGN_OR_RETURN(state.difference, DescribeSize(pair, std::nullopt));
  }
  if (state.begin == state.end) {
    progress_.bytes_done.fetch_add(size, std::memory_order_relaxed);
    progress_.files_done.fetch_add(1, std::memory_order_relaxed);
  } else {
    progress_.bytes_done.fetch_add(state.begin + size - state.end, std::memory_order_relaxed);
  }
  return Status::Ok();
}

Status Comparison::CompareHeader(std::size_t index, const FilePair& pair, const std::stop_token& stop) {
  State& state = states_[index];
  const std::uint64_t header = HeaderBytes(pair.file);
  const std::uint64_t end = std::min(header, pair.found.size());
  std::uint64_t compared = 0;
  SHARDFS_ASSIGN_OR_RETURN(const auto first, FirstDifference(pair, 0, end, buffers_.local(), stop, compared));
  bytes_compared_ += compared;
  if (first) {
    SHARDFS_ASSIGN_OR_RETURN(state.difference, DescribeHeader(pair, *first));
  } else if (pair.file.size() != pair.found.size()) {
    SHARDFS_ASSIGN_OR_RETURN(state.difference, DescribeSize(pair, std::nullopt));
  } else if (!options_.quick) {
    state.begin = header;
    state.end = pair.file.size();
  }
  return Status::Ok();
}

Result<const FoundFile*> Comparison::OpenShared(std::size_t index) {
  State& state = states_[index];
  const std::lock_guard lock(state.mutex);
  if (!state.found) {
    Started(index);
    const ComparedFile& compared = files_[index];
    SHARDFS_ASSIGN_OR_RETURN(state.found,
                             FoundFile::Open(directory_.fd, directory_.path, compared.found_path, compared.found_size));
  }
  return &*state.found;
}

Status Comparison::CompareChunk(std::size_t index, std::uint64_t chunk, const std::stop_token& stop) {
  State& state = states_[index];
  SHARDFS_ASSIGN_OR_RETURN(const FoundFile* found, OpenShared(index));
  const FilePair pair{files_[index].path, *files_[index].file, *found};
  const std::uint64_t begin = state.begin + chunk * kChunkBytes;
  const std::uint64_t end = std::min(state.end, begin + kChunkBytes);
  if (begin < state.first.load(std::memory_order_relaxed)) {
    std::uint64_t compared = 0;
    SHARDFS_ASSIGN_OR_RETURN(const auto place, FirstDifference(pair, begin, end, buffers_.local(), stop, compared));
    bytes_compared_.fetch_add(compared, std::memory_order_relaxed);
    std::uint64_t first = state.first.load(std::memory_order_relaxed);
    while (place && *place < first && !state.first.compare_exchange_weak(first, *place)) {
    }
  }
  progress_.bytes_done.fetch_add(end - begin, std::memory_order_relaxed);
  if (state.chunks_left.fetch_sub(1) > 1) return Status::Ok();
  SHARDFS_RETURN_IF_ERROR(FinishData(index, pair));  // the last chunk: nobody else uses the file any more
  state.found.reset();
  progress_.files_done.fetch_add(1, std::memory_order_relaxed);
  return Status::Ok();
}

Status Comparison::FinishData(std::size_t index, const FilePair& pair) {
  State& state = states_[index];
  const std::uint64_t first = state.first.load();
  if (pair.file.size() != pair.found.size()) {
    SHARDFS_ASSIGN_OR_RETURN(state.difference,
                             DescribeSize(pair, first == kNone ? std::nullopt : std::optional(first)));
  } else if (first != kNone) {
    SHARDFS_ASSIGN_OR_RETURN(state.difference, DescribeByte(pair, first));
  }
  return Status::Ok();
}

}  // namespace shardfs
