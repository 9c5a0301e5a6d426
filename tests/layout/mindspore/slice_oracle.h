// The slice of a device by definition, element by element, and random layouts to try it on.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "layout/mindspore/parameter_layout.h"
#include "shardfs/tensor/shape.h"

namespace shardfs::testing {

using RandomNumbers = std::mt19937_64;

inline std::uint64_t Below(RandomNumbers& random, std::uint64_t bound) { return random() % bound; }

// The row-major numbers of the elements of `full` that a device holds, ascending. By training's own placement.
// (spec/mindspore.md, sections 2.1 to 2.3)
std::vector<std::uint32_t> ElementsOf(const ParameterLayout& layout, const Shape& full, std::uint32_t device);

// A random layout over `devices` devices (a power of 2) for tensors of `axes` axes, flat or nested, with or without an
// optimizer shard that fits.
ParameterLayout RandomLayout(RandomNumbers& random, std::uint32_t devices, std::size_t axes);

// A random shape that divides by all of `layouts`.
Shape RandomShape(RandomNumbers& random, const std::vector<ParameterLayout>& layouts, std::size_t axes);

}  // namespace shardfs::testing
