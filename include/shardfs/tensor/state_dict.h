// StateDict: the tensors of a model in order: what each is, and its expression on request.
//
// Specs are known without a tensor byte. An expression takes 3 to 40 times the memory of its spec, so it is built when
// a layout asks for it and dropped by the layout once it is lowered to a read plan: a merged view of 136,735 tensors
// takes 14 MB as specs and 554 MB as expressions.
//
// Invariants: names are unique; Build(i) has the dtype and shape of specs()[i].
// Thread-safety: immutable; const members from any number of threads.
// Ownership: held by shared_ptr; it keeps its inputs and their sources alive, and names live as long as it does. An
// expression that Build returned borrows the sources: whoever keeps a plan of it keeps the StateDict.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/read_plan.h"
#include "shardfs/tensor/shape.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

struct TensorSpec {
  std::string_view name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
};

// Bytes of a tensor's data. The product was checked when the spec was made.
std::uint64_t BytesOf(const TensorSpec& spec);

class StateDict {
 public:
  virtual ~StateDict() = default;

  // The specs are in the producer's order: files by name and in a file by data offset, or the order of the modules.
  virtual std::span<const TensorSpec> specs() const = 0;

  // The index of that name in specs().
  virtual std::optional<std::uint32_t> Find(std::string_view name) const = 0;

  // A new expression of tensor `index`.
  virtual Result<TensorPtr> Build(std::uint32_t index) const = 0;

  // The source file that tensor `index` comes from (the first, where there are several), below its root: for messages,
  // and for layouts that keep the source's files.
  virtual std::string_view Origin(std::uint32_t index) const = 0;

  // Returns where the bytes of tensor `index` lie, if they are one run of a source file as it is.
  virtual std::optional<SourceSpan> SpanOf(std::uint32_t index) const = 0;
};

using StateDictPtr = std::shared_ptr<const StateDict>;

}  // namespace shardfs
