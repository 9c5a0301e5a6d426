#include "checkpoint/shard_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <new>
#include <optional>

#include "base/parallel.h"
#include "base/text_place.h"
#include "base/quote_name.h"
#include "checkpoint/defect_list.h"
#include "checkpoint/recognise_source.h"

namespace shardfs {
namespace {

// `header_bytes` counts those of all files.
Result<Header> ReadHeader(const FileSource& source, std::atomic<std::uint64_t>& header_bytes) {
  const std::string context = QuoteName(source.name());
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
    return ParseHeader(bytes, source.size(), source.name());
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for the header");
  }
}

// A shard, or why there is none, and whether it is a file of another kind.
struct Outcome {
  std::optional<Result<Shard>> shard;
  ContentKind kind = ContentKind::kSafetensors;
  std::string text{};  // of a kText
};

Outcome ReadShard(const SourceRoot& root, const std::string& name, std::atomic<std::uint64_t>& header_bytes) {
  auto file = root.OpenFile(name);
  if (!file.ok()) {
    // The name was in the directory's listing: it is the checkpoint that is incomplete, not the question.
    const Status& status = file.status();
    return {status.code() == StatusCode::kNotFound ? Status::Corruption(std::string(status.message())) : status};
  }
  auto header = ReadHeader(**file, header_bytes);
  if (header.ok()) return {Shard{std::move(*file), std::move(*header)}};
  Outcome outcome{header.status()};
  if (header.status().code() != StatusCode::kCorruption) return outcome;
  const std::string first = FirstBytes(**file);
  const ContentKind kind = RecogniseContent(first, (*file)->size());
  if (!IsForeign(kind, ContentKind::kSafetensors)) return outcome;
  outcome.kind = kind;
  if (kind == ContentKind::kText) outcome.text = DescribeTextAt(first, 0);
  return outcome;
}

// One sentence for all files of one kind: where one is a git-lfs pointer, most are.
std::string DescribeForeign(const std::vector<std::string>& names, const Outcome& first) {
  constexpr std::size_t kMaxShown = 3;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(names.size(), kMaxShown); ++i) shown.push_back(QuoteName(names[i]));
  const std::size_t unnamed = names.size() - shown.size();
  return fmt::format("{}{}{} {}{}", fmt::join(shown, ", "),
                     unnamed == 0 ? "" : fmt::format(" and {} more files", unnamed), names.size() == 1 ? "" : ": each",
                     DescribeContentKind(first.kind),
                     first.text.empty() ? "" : fmt::format(" (it says {})", first.text));
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

Result<std::vector<Shard>> ReadShards(const SourceRoot& root, std::span<const std::string> names) {
  std::vector<Outcome> outcomes(names.size());
  std::atomic<std::uint64_t> header_bytes{0};
  ParallelFor(names.size(), [&](std::size_t i) { outcomes[i] = ReadShard(root, names[i], header_bytes); });
  if (header_bytes > kMaxAllHeadersBytes) {
    return Status::NotSupported(fmt::format("the headers of the {} files have {} bytes together, more than {}",
                                            names.size(), header_bytes.load(), kMaxAllHeadersBytes));
  }
  std::vector<Shard> shards;
  shards.reserve(names.size());
  struct Foreign {
    std::vector<std::string> names;
    const Outcome* first = nullptr;
  };
  std::map<ContentKind, Foreign> foreign;
  DefectList defects;
  StatusCode code = StatusCode::kOk;  // of the first defect
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    Result<Shard>& shard = *outcomes[i].shard;
    if (shard.ok()) {
      shards.push_back(std::move(shard).value());
      continue;
    }
    if (code == StatusCode::kOk) code = shard.status().code();
    if (outcomes[i].kind == ContentKind::kSafetensors) {
      defects.Add(std::string(shard.status().message()));
      continue;
    }
    Foreign& group = foreign[outcomes[i].kind];
    if (group.names.empty()) group.first = &outcomes[i];
    group.names.push_back(names[i]);
  }
  for (const auto& [kind, group] : foreign) defects.Add(DescribeForeign(group.names, *group.first));
  if (code == StatusCode::kOk) return shards;
  return WithCode(code, defects.text());
}

}  // namespace shardfs
