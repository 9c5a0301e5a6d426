// VirtualFile: one file of the view: an exact size, and bytes at any offset.
//
// Thread-safety: immutable after construction; const members from any number of threads, without locks.
// Ownership: belongs to its VirtualTree; keeps alive what its bytes come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/status.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs {

enum class FileKind : std::uint8_t {
  kGenerated,    // bytes made by the layout (JSON)
  kPassthrough,  // a source file as it is
  kTensors,      // a safetensors header and its tensors
};

std::string_view FileKindName(FileKind kind);

// A tensor in a file of kind kTensors.
struct FileTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  std::uint64_t begin = 0;  // bytes from the start of the file
  std::uint64_t end = 0;
};

class VirtualFile {
 public:
  virtual ~VirtualFile() = default;

  virtual FileKind kind() const = 0;
  virtual std::uint64_t size() const = 0;  // bytes

  // Fills all of `destination` from `offset`; offset + destination.size() must not exceed size(). Fails as a whole.
  virtual Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const = 0;

  // The source ranges that [offset, offset + size) is made of, in output order.
  virtual void VisitSources(std::uint64_t offset, std::uint64_t size,
                            const std::function<void(const SourceSpan&)>& visit) const = 0;

  virtual std::span<const FileTensor> tensors() const { return {}; }  // in data order; empty unless kTensors

  // How many tensors() has. A file that makes its header when it is first asked for it can say that without.
  virtual std::size_t tensor_count() const { return tensors().size(); }
};

// Bytes held in memory.
std::unique_ptr<const VirtualFile> MakeGeneratedFile(std::string bytes);

// A source file as it is. Takes ownership of the source.
std::unique_ptr<const VirtualFile> MakePassthroughFile(std::unique_ptr<const ByteSource> source);

// A safetensors file of `tensors` (name and expression), laid out by SerializeHeader. `keep_alive` owns the sources.
struct NamedTensor {
  std::string name;
  TensorPtr tensor;
};
Result<std::unique_ptr<const VirtualFile>> MakeTensorFile(std::span<const NamedTensor> tensors,
                                                          std::shared_ptr<const void> keep_alive);

// The same of tensors that were lowered one by one as they were made. A plan takes a fraction of the memory of the
// expression that it comes from, which counts where a file has a hundred thousand of them.
struct PlannedTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  ReadPlan plan;
};
Result<PlannedTensor> PlanTensor(std::string name, const TensorPtr& tensor);
Result<std::unique_ptr<const VirtualFile>> MakePlannedFile(std::vector<PlannedTensor> tensors,
                                                           std::shared_ptr<const void> keep_alive,
                                                           const FileMetadata& metadata = PytorchMetadata());

}  // namespace shardfs
