// The bytes are looked at in cells of 1 KiB. A run of 4 KiB holds three whole cells at least, so a cell that is not all
// zeros ends a run or is passed over; nearly every cell is told by its first word. Only where a zero cell follows
// another one, or is followed by one, are the bytes of that neighbour counted one by one, which makes the ends exact.
#include "verify/zero_runs.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace shardfs {
namespace {

constexpr std::size_t kCellBytes = 1024;

bool IsZero(std::span<const std::byte> cell) {
  if (cell.front() != std::byte{0}) return false;
  return cell.size() == 1 || std::memcmp(cell.data(), cell.data() + 1, cell.size() - 1) == 0;
}

std::uint64_t LeadingZeros(std::span<const std::byte> bytes) {
  const auto end = std::find_if(bytes.begin(), bytes.end(), [](std::byte byte) { return byte != std::byte{0}; });
  return static_cast<std::uint64_t>(end - bytes.begin());
}

std::uint64_t TrailingZeros(std::span<const std::byte> bytes) {
  const auto end = std::find_if(bytes.rbegin(), bytes.rend(), [](std::byte byte) { return byte != std::byte{0}; });
  return static_cast<std::uint64_t>(end - bytes.rbegin());
}

}  // namespace

void ZeroRuns::Open(std::uint64_t begin) {
  open_ = true;
  begin_ = begin;
}

void ZeroRuns::Close(std::uint64_t end) {
  open_ = false;
  const bool at_an_end = begin_ == first_;
  if (end - begin_ >= kLostBlockBytes || at_an_end) runs_.push_back({begin_, end});
}

void ZeroRuns::Add(std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += kCellBytes) {
    const auto cell = bytes.subspan(i, std::min(kCellBytes, bytes.size() - i));
    if (IsZero(cell)) {
      if (!open_) Open(at_ - trailing_);
      trailing_ = 0;
    } else {
      if (open_) {
        Close(at_ + LeadingZeros(cell));
      } else if (at_ == first_) {  // a run that a stream before this one may have begun
        if (const std::uint64_t leading = LeadingZeros(cell); leading > 0) runs_.push_back({at_, at_ + leading});
      }
      trailing_ = TrailingZeros(cell);
    }
    at_ += cell.size();
  }
}

std::vector<ZeroRun> ZeroRuns::Finish() {
  if (!open_ && trailing_ > 0) Open(at_ - trailing_);
  if (open_) runs_.push_back({begin_, at_});
  open_ = false;
  trailing_ = 0;
  return std::move(runs_);
}

std::vector<ZeroRun> JoinZeroRuns(std::vector<ZeroRun> runs) {
  std::vector<ZeroRun> joined;
  for (const ZeroRun& run : runs) {
    if (!joined.empty() && joined.back().end == run.begin) {
      joined.back().end = run.end;
    } else {
      joined.push_back(run);
    }
  }
  std::erase_if(joined, [](const ZeroRun& run) { return run.size() < kLostBlockBytes; });
  return joined;
}

}  // namespace shardfs
