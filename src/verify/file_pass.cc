// A piece of 4 MiB is read, and while the kernel fetches the next one, it is hashed, searched for zeros and counted:
// the piece is in the cache for the second and third look. A number that a piece's end cuts belongs to the piece in
// which it begins, so each piece is read with the few bytes that follow it.
#include "verify/file_pass.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <span>
#include <utility>

#include "shardfs/base/checked_math.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kBehind = 16;                               // more than the longest number
constexpr std::uint64_t kReadAheadStep = std::uint64_t{128} << 10;  // the kernel cuts longer requests down

// The ranges of one tensor, appended; false where its values do not lie in the file as they are.
bool AddRanges(const ReadPlan& plan, const ByteSource* file, std::uint32_t tensor, std::size_t value_bytes,
               std::vector<TensorRange>& ranges) {
  bool as_they_are = true;
  const std::size_t unit = std::max<std::size_t>(value_bytes, 1);
  for (const PlanSegment& segment : plan.segments()) {
    as_they_are = as_they_are && segment.kind == PlanSegment::Kind::kCopy && segment.source == file &&
                  segment.begin % unit == 0 && segment.size % unit == 0;
  }
  plan.VisitSources(0, plan.size(), [&](const SourceSpan& span) {
    if (span.source == file && span.size > 0) {
      ranges.push_back({span.offset, span.size, tensor, as_they_are ? value_bytes : 0});
    }
  });
  return as_they_are;
}

void CountPiece(const PassRequest& request, std::size_t& next, std::uint64_t begin, std::uint64_t end,
                std::span<const std::byte> bytes, PassResult& result) {
  const std::vector<TensorRange>& ranges = request.layout->ranges;
  while (next < ranges.size() && ranges[next].offset + ranges[next].size <= begin) ++next;
  for (std::size_t i = next; i < ranges.size() && ranges[i].offset < end; ++i) {
    const TensorRange& range = ranges[i];
    const std::uint64_t unit = range.value_bytes;
    if (unit == 0) continue;
    const std::uint64_t first = begin <= range.offset ? 0 : CeilDiv(begin - range.offset, unit);
    const std::uint64_t last = CeilDiv(std::min(end, range.offset + range.size) - range.offset, unit);
    if (first >= last) continue;
    const auto numbers = bytes.subspan(range.offset + first * unit - begin, (last - first) * unit);
    const SpecialValues counted = CountSpecialValues(request.tensors->specs()[range.tensor].dtype, numbers);
    if (counted.any()) result.values[range.tensor] += counted;
  }
}

void BeginHash(HashKind kind, std::uint64_t file_size, std::list<HashStream>& hashes) {
  HashStream& hash = hashes.emplace_back(kind);
  if (kind != HashKind::kSha1) return;
  const std::string head = fmt::format("blob {}", file_size);  // as git hashes a file, with the NUL behind it
  hash.Add(std::as_bytes(std::span(head.c_str(), head.size() + 1)));
}

// The kernel fetches [begin, end) in the background.
void AskAhead(int descriptor, std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t at = begin; descriptor >= 0 && at < end; at += kReadAheadStep) {
    const std::uint64_t step = std::min(kReadAheadStep, end - at);
    if (::posix_fadvise(descriptor, static_cast<off_t>(at), static_cast<off_t>(step), POSIX_FADV_WILLNEED) != 0) return;
  }
}

}  // namespace

Result<FileLayout> LayOutTensors(const StateDict& tensors, const ByteSource* file) {
  FileLayout layout;
  const auto specs = tensors.specs();
  for (std::uint32_t i = 0; i < specs.size(); ++i) {
    if (BytesOf(specs[i]) == 0) continue;
    const std::size_t value_bytes = SpecialValueBytes(specs[i].dtype);
    if (const auto span = tensors.SpanOf(i); span && span->source == file) {
      layout.ranges.push_back({span->offset, span->size, i, value_bytes});
      continue;
    }
    SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, tensors.Build(i));
    SHARDFS_ASSIGN_OR_RETURN(const ReadPlan plan, LowerToPlan(tensor));
    if (!AddRanges(plan, file, i, value_bytes, layout.ranges)) layout.by_plan.push_back(i);
  }
  std::sort(layout.ranges.begin(), layout.ranges.end(),
            [](const TensorRange& a, const TensorRange& b) { return a.offset < b.offset; });
  return layout;
}

Result<PassResult> PassOver(const PassRequest& request, const std::function<void(std::uint64_t)>& progress,
                            const std::stop_token& cancel) {
  PassResult result;
  std::vector<std::byte> buffer(std::min(kPieceBytes, request.end - request.begin) + kBehind);
  std::list<HashStream> hashes;
  for (const HashKind kind : request.digests) BeginHash(kind, request.end, hashes);
  ZeroRuns zeros(request.begin);
  std::size_t next = 0;
  for (std::uint64_t begin = request.begin; begin < request.end;) {
    if (cancel.stop_requested()) return Status::Cancelled("checking was cancelled");
    const std::uint64_t end = std::min(begin + kPieceBytes, request.end);
    const auto bytes = std::span(buffer).first(std::min(end + kBehind, request.file->size()) - begin);
    SHARDFS_RETURN_IF_ERROR(request.file->ReadAt(begin, bytes));
    AskAhead(request.read_ahead, end, std::min(end + kPieceBytes, request.end));
    const auto own = bytes.first(end - begin);
    for (HashStream& hash : hashes) hash.Add(own);
    if (request.layout != nullptr) {
      zeros.Add(own);
      CountPiece(request, next, begin, end, bytes, result);
    }
    progress(end - begin);
    begin = end;
  }
  result.zeros = zeros.Finish();
  for (HashStream& hash : hashes) result.digests.push_back(hash.FinishHex());
  return result;
}

Result<PassResult> PassOverTensor(const StateDict& tensors, std::uint32_t index,
                                  const std::function<void(std::uint64_t)>& progress, const std::stop_token& cancel) {
  PassResult result;
  SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, tensors.Build(index));
  SHARDFS_ASSIGN_OR_RETURN(const ReadPlan plan, LowerToPlan(tensor));
  const Dtype dtype = tensors.specs()[index].dtype;
  std::vector<std::byte> buffer(std::min(kPieceBytes, plan.size()));  // whole numbers: their sizes are powers of two
  ZeroRuns zeros(0);
  for (std::uint64_t at = 0; at < plan.size();) {
    if (cancel.stop_requested()) return Status::Cancelled("checking was cancelled");
    const auto bytes = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), plan.size() - at));
    SHARDFS_RETURN_IF_ERROR(plan.ReadAt(at, bytes));
    zeros.Add(bytes);
    if (SpecialValueBytes(dtype) != 0) {
      if (const SpecialValues counted = CountSpecialValues(dtype, bytes); counted.any())
        result.values[index] += counted;
    }
    progress(bytes.size());
    at += bytes.size();
  }
  result.zeros = zeros.Finish();
  return result;
}

}  // namespace shardfs
