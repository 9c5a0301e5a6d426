#include "report/source_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "shardfs/tensor/tensor.h"

namespace shardfs {
namespace {

std::string TypeOf(const TensorSpec& spec) {
  return fmt::format("{} {}", DtypeName(spec.dtype), ShapeToString(spec.shape));
}

std::string Axis(std::size_t axis, std::uint64_t first, std::uint64_t count, std::uint64_t size) {
  if (count == 1) return fmt::format("axis {}: {} of {}", axis, first, size);
  return fmt::format("axis {}: {} to {} of {}", axis, first, first + count - 1, size);
}

// The indices of an element, from its number: "[3, 17]".
std::string IndexOf(const Shape& shape, std::uint64_t element) {
  std::vector<std::uint64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = element % shape[axis];
    element /= shape[axis];
  }
  return fmt::format("[{}]", fmt::join(index, ", "));
}

// Bytes [offset, offset + size) of a tensor's data, in terms of its axes.
std::string PlaceOf(const TensorSpec& spec, std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t all = BytesOf(spec);
  if (offset == 0 && size == all) return "all of it";
  const std::uint64_t element = DtypeBytes(spec.dtype);
  if (spec.shape.empty() || element == 0) return fmt::format("bytes {} to {}", offset, offset + size - 1);
  const std::uint64_t row = all / spec.shape[0];
  if (offset % row == 0 && size % row == 0) return Axis(0, offset / row, size / row, spec.shape[0]);
  return fmt::format("{} to {}", IndexOf(spec.shape, offset / element),
                     IndexOf(spec.shape, (offset + size - 1) / element));
}

// The same of runs at one stride that is the tensor's last row: a cut along the last axis. Empty for other patterns.
std::string ColumnsOf(const TensorSpec& spec, std::uint64_t offset, const GatherPattern& pattern) {
  const std::uint64_t element = DtypeBytes(spec.dtype);
  if (spec.shape.size() < 2 || element == 0 || pattern.dims.size() != 1 || pattern.dims[0].table != nullptr) return "";
  const std::uint64_t row = spec.shape.back() * element;
  if (pattern.dims[0].stride != row || offset % element != 0 || pattern.run % element != 0) return "";
  const std::size_t last = spec.shape.size() - 1;
  std::string place = Axis(last, offset % row / element, pattern.run / element, spec.shape.back());
  const std::uint64_t rows = BytesOf(spec) / row;
  if (pattern.dims[0].count != rows && last == 1) {
    place = fmt::format("{}, {}", Axis(0, offset / row, pattern.dims[0].count, rows), place);
  }
  return place;
}

}  // namespace

const SourceTensors::Opened* SourceTensors::Open(const std::string& name) {
  const auto [place, is_new] = opened_.try_emplace(name);
  if (!is_new) return place->second.get();
  auto root = SourceRoot::Open(sources_.PathOf(name));
  if (!root.ok()) return nullptr;
  auto files = OpenWeightsFiles(**root, std::span(&(*root)->file(), 1), options_);
  if (!files.ok()) return nullptr;
  auto opened = std::make_unique<Opened>();
  opened->root = std::move(*root);
  opened->weights = std::move(files->front());
  auto layout = LayOutTensors(*opened->weights.tensors, opened->weights.file.get());
  if (!layout.ok()) return nullptr;
  opened->layout = std::move(*layout);
  place->second = std::move(opened);
  return place->second.get();
}

std::vector<ExplainedSource> SourceTensors::Find(const SourceSpan& span, const GatherPattern* pattern) {
  std::vector<ExplainedSource> found;
  const std::uint64_t end = span.offset + span.size;
  const Opened* const opened = Open(span.source->name());
  std::uint64_t at = span.offset;
  const auto add_unknown = [&](std::uint64_t until) {
    if (at < until) found.push_back({.file = span.source->name(), .offset = at, .bytes = until - at});
    at = until;
  };
  // The bytes of the span are not those of the file where that one is encrypted.
  if (opened != nullptr && !opened->weights.cipher) {
    const auto& ranges = opened->layout.ranges;
    auto range = std::upper_bound(ranges.begin(), ranges.end(), at,
                                  [](std::uint64_t place, const TensorRange& one) { return place < one.offset; });
    if (range != ranges.begin()) --range;
    for (; range != ranges.end() && range->offset < end; ++range) {
      const std::uint64_t from = std::max(span.offset, range->offset);
      const std::uint64_t to = std::min(end, range->offset + range->size);
      if (from >= to) continue;
      add_unknown(from);
      const TensorSpec& spec = opened->weights.tensors->specs()[range->tensor];
      ExplainedSource source{.file = span.source->name(), .offset = from, .bytes = to - from};
      source.tensor = std::string(spec.name);
      source.type = TypeOf(spec);
      if (range->size == BytesOf(spec)) {
        if (pattern != nullptr) source.place = ColumnsOf(spec, from - range->offset, *pattern);
        if (pattern == nullptr) source.place = PlaceOf(spec, from - range->offset, to - from);
      }
      found.push_back(std::move(source));
      at = to;
    }
  }
  add_unknown(end);
  return found;
}

}  // namespace shardfs
