// The tensors of a MindSpore source as state dicts: those of one file as they are, and those of all files put together.
#pragma once

#include "layout/mindspore/mindspore_source.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

// The tensors of one file. `source` is kept alive.
StateDictPtr MakeFileTensors(MindsporeSourcePtr source, std::size_t file);

// The whole tensors of a source: parameters of the strategy put together from the slices of their lowest stage, each
// slice from the lowest rank that holds it; all others from the lowest rank, as they are. In the order in which the
// files have the names. Parameters are placed as training has placed them.
//
// What cannot be put together has its spec nevertheless, and Build says why it cannot: a layout that hands on the
// ranks' own files may do without.
StateDictPtr MakeWholeTensors(MindsporeSourcePtr source);

}  // namespace shardfs
