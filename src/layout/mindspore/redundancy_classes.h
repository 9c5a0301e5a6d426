// What MindSpore makes of a checkpoint without redundancy, of which each distinct slice was kept by one rank of those
// that hold it, a class: it finds the classes again from the strategy. (spec/mindspore.md, section 3.6)
//
// Thread-safety: pure functions.
#pragma once

#include "layout/mindspore/parameter_layout.h"
#include "layout/mindspore/slice.h"

namespace shardfs {

// Whether MindSpore finds the classes of a layout: the devices that hold one cell of `training`, which is the layout's
// grid with training's placement. It looks at the first axis of a nested map alone, and loses the classes of an
// optimizer shard whose replicas are not outermost in the device matrix. Wrong slices come of the first.
bool FindsRedundancyClasses(const ParameterLayout& layout, const SliceGrid& training);

}  // namespace shardfs
