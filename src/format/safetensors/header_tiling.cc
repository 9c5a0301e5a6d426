#include "format/safetensors/header_tiling.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "base/quote_name.h"

namespace shardfs {
namespace {

void SortByExtent(std::vector<HeaderTensor>& tensors) {
  const auto extent_before = [](const HeaderTensor& a, const HeaderTensor& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  };
  // Most files are in order; and then empty tensors, which share their offsets, keep the document's order.
  if (std::is_sorted(tensors.begin(), tensors.end(), extent_before)) return;
  std::sort(tensors.begin(), tensors.end(), [](const HeaderTensor& a, const HeaderTensor& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
}

// tensors[i] does not begin at `end`, where the one before it ends.
Status Misplaced(const std::vector<HeaderTensor>& tensors, std::size_t i, std::uint64_t end) {
  const std::uint64_t begin = tensors[i].begin;
  const std::string before = i == 0 ? "the data begin" : "tensor " + QuoteName(tensors[i - 1].name) + " ends";
  return Status::Corruption(
      fmt::format("tensor {} begins at offset {}, but {} at {}: {} of {} bytes", QuoteName(tensors[i].name), begin,
                  before, end, begin > end ? "a hole" : "an overlap", begin > end ? begin - end : end - begin));
}

}  // namespace

Status CheckNoOverlap(std::vector<HeaderTensor>& tensors) {
  SortByExtent(tensors);
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].begin < tensors[i - 1].end) return Misplaced(tensors, i, tensors[i - 1].end);
  }
  return Status::Ok();
}

Status CheckTiling(std::uint64_t file_size, Header& header) {
  SortByExtent(header.tensors);
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < header.tensors.size(); ++i) {
    if (header.tensors[i].begin != end) return Misplaced(header.tensors, i, end);
    end = header.tensors[i].end;
  }
  const std::uint64_t described = header.data_offset + end;  // both below 2^49
  if (described == file_size) return Status::Ok();
  return Status::Corruption(fmt::format("the file has {} bytes, but its header describes {}: {}", file_size, described,
                                        described > file_size ? "it is truncated" : "bytes follow the last tensor"));
}

}  // namespace shardfs
