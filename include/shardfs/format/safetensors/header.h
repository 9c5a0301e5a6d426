// The header of a safetensors file: bytes -> validated tensors, and back.
//
// The rules are the format's own, and stricter where a lax reader could be led astray: header length at most 100 MB
// and within the file, UTF-8, a JSON object beginning with '{', no duplicate key at any level, nesting at most 3,
// only non-negative integers up to 2^48-1, rank at most 16, names at most 4 KiB and without NUL, known dtypes,
// offsets that tile the data from 0 without hole or overlap, product of shape times dtype equal to the extent of the
// offsets, and the file ending where the last tensor ends. (TRUST section 2; format: safetensors README, "Format")
// "__metadata__": null stands for no metadata, as in the format's own reader.
// Memory stays within 4 times the header's size, and a parse within a second: a file has at most 2^20 tensors,
// __metadata__ at most 65,536 entries, and no string is longer than 16 MiB (kNotSupported beyond).
//
// Thread-safety: free functions without shared state.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"

namespace shardfs {

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

// One tensor of one file. Offsets are in bytes from the start of the data section (behind the header).
struct HeaderTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// __metadata__: texts by name, in document order.
using FileMetadata = std::vector<std::pair<std::string, std::string>>;

struct Header {
  std::vector<HeaderTensor> tensors;  // ascending by begin: in data order
  FileMetadata metadata;
  std::uint64_t data_offset = 0;  // bytes before the data section: 8 + header length
  bool data_aligned = true;       // data_offset is a multiple of 8 (a warning if not)
};

// The first 8 bytes of a file give the length of the JSON. Returns 8 + that length: what ParseHeader needs to see.
// kCorruption when the length breaks a rule or does not fit in `file_size`.
Result<std::uint64_t> HeaderExtent(std::span<const std::byte> first8, std::uint64_t file_size);

// `bytes` = the first HeaderExtent() bytes of a file of `file_size` bytes; `file_name` goes into messages.
// kCorruption for a broken rule, kNotSupported for an unknown dtype (named).
Result<Header> ParseHeader(std::span<const std::byte> bytes, std::uint64_t file_size, std::string_view file_name);

struct NewTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
};

struct SerializedHeader {
  std::string bytes;                   // length prefix and space-padded JSON: the file up to its data
  std::vector<std::size_t> order;      // indices into the input, in data order
  std::vector<std::uint64_t> offsets;  // per entry of `order`: where its data begin, from the start of the file
  std::uint64_t file_size = 0;
};

// What most loaders expect: {"format": "pt"}.
FileMetadata PytorchMetadata();

// Lays out a file as the reference's writer does: compact JSON, __metadata__ first if it is not empty, tensors by dtype (descending enum order) then name (bytes, ascending), data back to back, JSON padded with spaces to a multiple
// of 8. (spec/mindie-weight-sharder.md, section 4.1) kInvalidArgument for a duplicate name or one that ParseHeader
// would refuse. With no tensors: the header of an empty file.
Result<SerializedHeader> SerializeHeader(const std::vector<NewTensor>& tensors,
                                         const FileMetadata& metadata = PytorchMetadata());

}  // namespace shardfs
