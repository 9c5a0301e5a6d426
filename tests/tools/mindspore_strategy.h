// The strategy of a MindSpore checkpoint as training saves it: how each parameter is cut over the ranks of a pipeline
// stage, the file that says so (protobuf or JSON), and the slice that a rank has by the definition of the cut
// (spec/mindspore.md, sections 1 and 2). All of it is written without the code that reads strategies, so that tests
// hold one against the other.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/shape.h"

namespace shardfs::tools {

// How one parameter is cut. Device dimension t of an axis counts from the right of `devices`: 0 is the last one.
struct MindSporeCutOf {
  std::vector<std::uint64_t> devices;           // dev_matrix; its product is the ranks of a stage
  std::vector<std::vector<std::int32_t>> axes;  // of each axis of the tensor, the device dimensions, the slowest first
  std::int32_t shard_step = 0;                  // of the optimizer shard; 0: there is none
  std::int32_t shard_size = 0;                  // -1: as many as there are replicas
};

// A parameter as a strategy file lists it.
struct MindSporeItem {
  std::string name;
  MindSporeCutOf cut;
  Shape shape;          // of the whole tensor; JSON alone has it
  bool nested = false;  // a TensorMap for each axis, as Layout(...) writes it; protobuf alone can
};

// One strategy file: of one stage, names as they are; or merged, "<stage>-<name>".
struct MindSporeStrategy {
  std::uint32_t current_stage = 0;
  std::vector<std::uint32_t> stages;  // an operator of each is listed
  std::vector<MindSporeItem> items;
};

std::string StrategyProtobuf(const MindSporeStrategy& strategy);
std::string StrategyJson(const MindSporeStrategy& strategy);  // flat maps alone

// The range that a rank has on each axis: [first, second).
using MindSporeBox = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// The slice of rank `local` of the stage. kInvalidArgument where an axis does not divide.
Result<MindSporeBox> BoxOf(const MindSporeCutOf& cut, const Shape& shape, std::uint64_t local);

}  // namespace shardfs::tools
