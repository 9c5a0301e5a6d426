// OutputTensor: one tensor of the engine's state dict as a rule: which tensors of the source it is made of, and which
// part of each every rank has.
//
// Immutable once made; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

// Which part of a tensor of the source a rank has.
enum class RankCut : std::uint8_t {
  kWhole,    // all of it
  kRows,     // one of equal shares of axis 0
  kColumns,  // one of equal shares of axis 1
  kVocab,    // one of equal shares of axis 0 after it is filled with zero rows up to a multiple of 64
};

// The rows of an embedding with those of zeros that the engines put behind them: a multiple of 64.
constexpr std::uint64_t PaddedVocab(std::uint64_t rows) { return (rows + 63) / 64 * 64; }

// A tensor of the source, as the config says it is.
struct SourcePart {
  std::string name;
  Shape shape;
  std::string_view sizes;  // what of config.json the shape comes from, for messages: "vocab_size, hidden_size"
  RankCut cut = RankCut::kWhole;
  std::uint32_t copies = 1;  // kRows: so many ranks, one behind the other, have the same share
};

struct OutputTensor {
  enum class Kind : std::uint8_t {
    kParts,      // the ranks' shares of the parts, one below the other
    kExperts,    // a stack of experts; each is the ranks' shares of `parts_per_expert` parts, one below the other
    kOne,        // the F32 scalar 1.0
    kExpertMap,  // I32, for each routed expert its place among those of the rank, or -1
  };

  std::string name;
  Kind kind = Kind::kParts;
  Dtype dtype = Dtype::kBF16;
  std::vector<SourcePart> parts;  // of kExperts, those of one expert behind those of another
  std::size_t parts_per_expert = 0;
  std::uint64_t routed_experts = 0;  // kExpertMap
  bool shares_experts = false;       // kExperts: a rank has some of the experts, and each whole
};

// The range of experts that a rank holds where whole experts are shared out: the first `experts` mod `tp` ranks hold
// one more than the others.
struct ExpertRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
ExpertRange ExpertsOfRank(std::uint64_t experts, std::uint32_t tp, std::uint32_t rank);

// What rank `rank` of `tp` has of the tensor.
Shape ShapeOfRank(const OutputTensor& tensor, std::uint32_t tp, std::uint32_t rank);

// The same as an expression. `sources` are the tensors of `tensor.parts`, of any float dtype.
Result<TensorPtr> TensorOfRank(const OutputTensor& tensor, std::uint32_t tp, std::uint32_t rank,
                               std::span<const TensorPtr> sources);

}  // namespace shardfs
