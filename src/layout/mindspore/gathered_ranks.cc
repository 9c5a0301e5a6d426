// Both layouts become lists of tensor axes, each split by one device dim or by none. Device dims and axes are then cut
// until both layouts have the same device dims and the same axes; a device dim that splits an axis in the source and
// not in the destination is one to gather along. Where the cutting does not come out even, all device dims that the
// source uses are gathered along.
#include "layout/mindspore/gathered_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

using Sizes = std::vector<std::uint64_t>;

constexpr std::int32_t kNoDim = -1;
constexpr int kMostRounds = 64;

struct Form {
  Sizes dims;                     // of the devices
  Sizes shape;                    // of the tensor
  std::vector<std::int32_t> map;  // for each axis the device dim that splits it, or kNoDim
};

// A device dim of its own for each axis: an axis that several split is cut behind each but the last.
Form FormOf(const SliceGrid& grid, const Shape& full, std::uint64_t devices) {
  Form form;
  const std::uint64_t repetitions = devices / grid.devices();
  if (repetitions > 1) form.dims.push_back(repetitions);
  std::vector<std::int32_t> place(grid.device_dims().size(), kNoDim);
  for (std::size_t dim = 0; dim < place.size(); ++dim) {
    if (grid.device_dims()[dim] == 1) continue;
    place[dim] = static_cast<std::int32_t>(form.dims.size());
    form.dims.push_back(grid.device_dims()[dim]);
  }
  const auto add = [&form](std::uint64_t size, std::int32_t dim) {
    if (size == 1) return;
    form.shape.push_back(size);
    form.map.push_back(dim);
  };
  for (std::size_t axis = 0; axis < full.size(); ++axis) {
    std::uint64_t rest = full[axis];
    std::vector<std::int32_t> splits;
    for (const std::uint32_t dim : grid.split_by()[axis]) {
      if (place[dim] != kNoDim) splits.push_back(place[dim]);
    }
    for (std::size_t i = 0; i + 1 < splits.size(); ++i) {
      const std::uint64_t size = form.dims[static_cast<std::size_t>(splits[i])];
      add(size, splits[i]);
      rest /= size;
    }
    add(rest, splits.empty() ? kNoDim : splits.back());
  }
  if (form.shape.empty()) {
    form.shape = {1};
    form.map = {kNoDim};
  }
  return form;
}

// Products of the first 1, 2, ... numbers; nothing where one does not fit in 64 bits.
std::optional<Sizes> Products(std::span<const std::uint64_t> sizes) {
  Sizes products;
  std::uint64_t product = 1;
  for (const std::uint64_t size : sizes) {
    const auto next = CheckedMul(product, size);
    if (!next) return std::nullopt;
    products.push_back(product = *next);
  }
  return products;
}

// The factors whose products are those of both lists; nothing where one does not divide the next.
std::optional<Sizes> CommonFactors(const std::optional<Sizes>& a, const std::optional<Sizes>& b) {
  if (!a || !b) return std::nullopt;
  Sizes merged;
  std::set_union(a->begin(), a->end(), b->begin(), b->end(), std::back_inserter(merged));
  Sizes factors;
  std::uint64_t before = 1;
  for (const std::uint64_t product : merged) {
    if (product % before != 0) return std::nullopt;
    if (product != before) factors.push_back(product / before);
    before = product;
  }
  return factors;
}

// Cuts device dims so that they are `finer`, and with each dim the axis that it splits.
bool CutDims(Form& form, const Sizes& finer) {
  std::vector<std::size_t> begins;  // of each dim's pieces in `finer`
  std::size_t next = 0;
  for (const std::uint64_t dim : form.dims) {
    begins.push_back(next);
    for (std::uint64_t product = 1; product < dim; ++next) {
      if (next == finer.size()) return false;
      product *= finer[next];
    }
  }
  begins.push_back(next);
  Sizes shape;
  std::vector<std::int32_t> map;
  for (std::size_t axis = 0; axis < form.shape.size(); ++axis) {
    std::uint64_t rest = form.shape[axis];
    if (form.map[axis] == kNoDim) {
      shape.push_back(rest);
      map.push_back(kNoDim);
      continue;
    }
    const auto dim = static_cast<std::size_t>(form.map[axis]);
    for (std::size_t piece = begins[dim]; piece < begins[dim + 1]; ++piece) {
      const bool is_last = piece + 1 == begins[dim + 1];
      if (rest % finer[piece] != 0) return false;
      shape.push_back(is_last ? rest : finer[piece]);
      rest /= finer[piece];
      map.push_back(static_cast<std::int32_t>(piece));
    }
  }
  form = {finer, std::move(shape), std::move(map)};
  return true;
}

// The pieces of a device dim that splits an axis cut into `parts`: the leading parts, the last one as far as needed.
std::optional<Sizes> PiecesOf(std::uint64_t dim, std::span<const std::uint64_t> parts) {
  Sizes pieces;
  for (const std::uint64_t part : parts) {
    if (dim == 1) break;
    const std::uint64_t piece = std::min(part, dim);
    if (dim % piece != 0 || part % piece != 0) return std::nullopt;
    pieces.push_back(piece);
    dim /= piece;
  }
  return dim == 1 ? std::optional(pieces) : std::nullopt;
}

// Cuts the axes of `form` where those of `other` end, and device dims with them.
bool CutAxes(Form& form, const Form& other) {
  const auto from_right = [](const Sizes& shape) { return Products(Sizes(shape.rbegin(), shape.rend())); };
  auto finer = CommonFactors(from_right(form.shape), from_right(other.shape));
  if (!finer) return false;
  std::reverse(finer->begin(), finer->end());
  std::vector<Sizes> pieces_of_dim;
  for (const std::uint64_t dim : form.dims) pieces_of_dim.push_back({dim});
  struct Axis {
    std::int32_t dim;
    std::size_t begin;  // of its parts in `finer`
    std::size_t end;
  };
  std::vector<Axis> axes;
  std::size_t next = 0;
  for (std::size_t axis = 0; axis < form.shape.size(); ++axis) {
    const std::size_t begin = next;
    for (std::uint64_t product = 1; product < form.shape[axis]; ++next) {
      if (next == finer->size()) return false;
      product *= (*finer)[next];
    }
    axes.push_back({form.map[axis], begin, next});
    if (form.map[axis] == kNoDim) continue;
    const auto dim = static_cast<std::size_t>(form.map[axis]);
    const auto pieces = PiecesOf(form.dims[dim], std::span(*finer).subspan(begin, next - begin));
    if (!pieces) return false;
    pieces_of_dim[dim] = *pieces;
  }
  Form cut;
  std::vector<std::size_t> begins;
  for (const Sizes& pieces : pieces_of_dim) {
    begins.push_back(cut.dims.size());
    cut.dims.insert(cut.dims.end(), pieces.begin(), pieces.end());
  }
  cut.shape = *finer;
  cut.map.assign(cut.shape.size(), kNoDim);
  for (const Axis& axis : axes) {
    if (axis.dim == kNoDim) continue;
    const auto dim = static_cast<std::size_t>(axis.dim);
    for (std::size_t i = 0; i < pieces_of_dim[dim].size(); ++i) {
      cut.map[axis.begin + i] = static_cast<std::int32_t>(begins[dim] + i);
    }
  }
  form = std::move(cut);
  return true;
}

bool MakeDimsCommon(Form& a, Form& b) {
  const auto finer = CommonFactors(Products(a.dims), Products(b.dims));
  return finer && CutDims(a, *finer) && CutDims(b, *finer);
}

bool MakeCommon(Form& source, Form& destination) {
  if (!MakeDimsCommon(source, destination)) return false;
  for (int round = 0; source.shape != destination.shape; ++round) {
    if (round == kMostRounds) return false;
    if (!CutAxes(source, destination) || !MakeDimsCommon(source, destination)) return false;
    if (!CutAxes(destination, source) || !MakeDimsCommon(source, destination)) return false;
  }
  return true;
}

// `device` with every combination of coordinates along `gathered`.
std::vector<std::uint32_t> AllAlong(const Sizes& dims, const std::vector<bool>& gathered, std::uint32_t device) {
  std::vector<std::uint32_t> devices = {device};
  std::uint64_t stride = 1;
  for (std::size_t dim = dims.size(); dim-- > 0; stride *= dims[dim]) {
    if (!gathered[dim]) continue;
    const auto step = static_cast<std::uint32_t>(stride);
    const auto own = static_cast<std::uint32_t>(device / stride % dims[dim]);
    std::vector<std::uint32_t> more;
    for (const std::uint32_t one : devices) {
      for (std::uint32_t i = 0; i < dims[dim]; ++i) more.push_back(one - own * step + i * step);
    }
    devices = std::move(more);
  }
  std::sort(devices.begin(), devices.end());
  return devices;
}

}  // namespace

Result<std::vector<std::uint32_t>> GatheredDevices(const SliceGrid& source, const SliceGrid& destination,
                                                   const Shape& full, std::uint32_t device) {
  const std::uint32_t devices = std::max(source.devices(), destination.devices());
  if (devices % source.devices() != 0 || devices % destination.devices() != 0) {
    return Status::InvalidArgument(
        fmt::format("the source is cut over {} devices of a stage, and the destination over {}; one number must divide "
                    "the other",
                    source.devices(), destination.devices()));
  }
  const Form original = FormOf(source, full, devices);
  Form from = original;
  Form to = FormOf(destination, full, devices);
  const bool is_common = MakeCommon(from, to);
  if (!is_common) from = original;
  std::vector<bool> gathered(from.dims.size(), false);
  for (std::size_t axis = 0; axis < from.map.size(); ++axis) {
    if (from.map[axis] == kNoDim || (is_common && to.map[axis] == from.map[axis])) continue;
    gathered[static_cast<std::size_t>(from.map[axis])] = true;
  }
  return AllAlong(from.dims, gathered, device % devices);
}

Shape MadeUpShape(const SliceGrid& source, std::uint32_t source_devices, std::uint32_t destination_devices) {
  Shape shape;
  for (const std::uint64_t count : source.counts()) {
    shape.push_back(std::max(source_devices, destination_devices) * count);
  }
  return shape;
}

}  // namespace shardfs
