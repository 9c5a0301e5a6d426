#include "source/shard_reader.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <optional>

#include "base/parallel.h"
#include "safetensors/quote_name.h"
#include "source/defect_list.h"

namespace shardfs {
namespace {

// `header_bytes` counts those of all files.
Result<Shard> ReadShard(int directory_fd, const std::string& name, std::atomic<std::uint64_t>& header_bytes) {
  auto file = FileSource::Open(directory_fd, name);
  if (!file.ok()) {
    // The name was in the directory's listing: it is the checkpoint that is incomplete, not the question.
    const Status& status = file.status();
    return status.code() == StatusCode::kNotFound ? Status::Corruption(std::string(status.message())) : status;
  }
  const FileSource& source = **file;
  const std::string context = QuoteName(name);
  // By reading, not through the mapping: the least that the file's pages need to be touched.
  std::array<std::byte, 8> prefix;
  const auto present = std::span(prefix).first(std::min<std::uint64_t>(prefix.size(), source.size()));
  SHARDFS_RETURN_IF_ERROR(source.ReadAt(0, present));
  const auto extent = HeaderExtent(present, source.size());
  if (!extent.ok()) return extent.status().WithContext(context);
  if (header_bytes.fetch_add(*extent, std::memory_order_relaxed) + *extent > kMaxAllHeadersBytes) {
    return Status::NotSupported(context + ": too many header bytes");  // all are counted first, and then it is said
  }
  try {
    std::vector<std::byte> bytes(*extent);
    SHARDFS_RETURN_IF_ERROR(source.ReadAt(0, bytes));
    SHARDFS_ASSIGN_OR_RETURN(Header header, ParseHeader(bytes, source.size(), name));
    return Shard{std::move(*file), std::move(header)};
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for the header");
  }
}

Status WithCode(StatusCode code, std::string message) {
  switch (code) {
    case StatusCode::kNotSupported:
      return Status::NotSupported(std::move(message));
    case StatusCode::kResourceExhausted:
      return Status::ResourceExhausted(std::move(message));
    case StatusCode::kIoError:
      return Status::IoError(std::move(message));
    case StatusCode::kSourceChanged:
      return Status::SourceChanged(std::move(message));
    default:
      return Status::Corruption(std::move(message));
  }
}

}  // namespace

Result<std::vector<Shard>> ReadShards(int directory_fd, std::span<const std::string> names) {
  std::vector<std::optional<Result<Shard>>> results(names.size());
  std::atomic<std::uint64_t> header_bytes{0};
  ParallelFor(names.size(),
              [&](std::size_t i) { results[i].emplace(ReadShard(directory_fd, names[i], header_bytes)); });
  if (header_bytes > kMaxAllHeadersBytes) {
    return Status::NotSupported(fmt::format("the headers of the {} files have {} bytes together, more than {}",
                                            names.size(), header_bytes.load(), kMaxAllHeadersBytes));
  }
  std::vector<Shard> shards;
  shards.reserve(names.size());
  DefectList defects;
  StatusCode code = StatusCode::kOk;  // of the first defect
  for (auto& result : results) {
    if (result->ok()) {
      shards.push_back(std::move(*result).value());
      continue;
    }
    if (code == StatusCode::kOk) code = result->status().code();
    defects.Add(std::string(result->status().message()));
  }
  if (code == StatusCode::kOk) return shards;
  return WithCode(code, defects.text());
}

}  // namespace shardfs
