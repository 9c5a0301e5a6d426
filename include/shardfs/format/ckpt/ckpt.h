// MindSpore's .ckpt files: a file's bytes -> what tensors it holds and where, and specs -> the pieces of a file.
// Source: spec/mindspore-ckpt.md.
//
// A .ckpt is a protobuf message without an index: one entry a chunk of a tensor, each with the tensor's name, full
// shape and type in front of its bytes. So a file is read by walking its entries, a few bytes each, and written as
// framing text and ranges of tensors, whose sizes are known from the specs alone.
//
// Reading refuses what the spec's table of section 4 refuses; it takes every form that MindSpore 0.5 to 2.7 writes:
// chunks that need not end with an element, scalars of either spelling, BF16 held as float32, a crc trailer, 0.5's
// model type. A file has at most 2^20 tensors and 2^21 entries (kNotSupported beyond).
//
// Thread-safety: free functions without shared state. No exceptions but std::bad_alloc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/source/byte_source.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"

namespace shardfs {

// A range of bytes of a file.
struct FileRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;

  std::uint64_t end() const { return offset + size; }
};

// ---- reading ----

struct CkptTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  bool is_int4 = false;           // type Int4: dtype kI8, and each byte holds two values; the shape counts bytes
  bool is_wide = false;           // BF16 held as float32: element i is bytes 4i+2 and 4i+3 of the content
  std::uint32_t first_chunk = 0;  // in CkptContent::chunks
  std::uint32_t chunks = 0;       // whose contents, one behind the other, are the tensor's; 0 of an empty tensor
};

// An entry that is no tensor.
struct CkptExtra {
  enum class Kind : std::uint8_t { kString, kMap };
  std::string name;
  Kind kind = Kind::kString;
  std::uint64_t bytes = 0;
};

struct CkptContent {
  std::vector<CkptTensor> tensors;  // in the order of the file
  std::vector<FileRange> chunks;
  std::vector<CkptExtra> extras;
  std::optional<std::uint32_t> crc;  // of the trailer, if there is one: of all bytes before it
  std::uint64_t size = 0;            // of the file without its trailer
};

// Walks the entries of `source`: its framing alone is read. Names are unique, and every tensor has as many bytes as its
// shape needs. kCorruption for a broken rule; kNotSupported for a type that safetensors has no word
// for, and for an entry of 4 GiB or more. Messages name the file.
// Each place is read with the bytes that follow it, `ahead` (at most 4096) in all, as the next entry may be among them.
Result<CkptContent> ReadCkpt(const ByteSource& source, std::uint64_t ahead = 4096);

// Reads all bytes of the file in parallel and compares their CRC-32 with the trailer's; not without a trailer.
Status CheckCkptCrc(const ByteSource& source, const CkptContent& content);

// ---- writing ----

// The form of MindSpore 2.3 and later, saving synchronously.
inline constexpr std::uint64_t kCkptChunkBytes = 512u << 20;

struct NewCkptTensor {
  std::string_view name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  bool is_int4 = false;  // of kI8 alone
};

// A piece of a file: `text` bytes of CkptPieces::text, then bytes [begin, begin + size) of tensor `tensor`.
struct CkptPiece {
  std::uint64_t offset = 0;  // in the file, where the text begins
  std::uint64_t text_begin = 0;
  std::uint32_t text_size = 0;
  std::uint32_t tensor = 0;
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};

struct CkptPieces {
  std::string text;               // of all pieces
  std::vector<CkptPiece> pieces;  // in the order of the file
  std::uint64_t file_size = 0;
};

// The type's name in a .ckpt ("BFloat16"); empty for a dtype that a .ckpt cannot hold.
std::string_view CkptTypeName(Dtype dtype, bool is_int4);

// Lays out a file of `tensors` in their order, in chunks of `chunk` bytes. A tensor without elements has no entry.
// kInvalidArgument for a chunk of none or 2 GiB, a name that is empty, no UTF-8 or given twice, kNotSupported for a
// dtype that a .ckpt cannot hold and a size that MindSpore cannot read (an axis above 2^31-1).
Result<CkptPieces> LayOutCkpt(std::span<const NewCkptTensor> tensors, std::uint64_t chunk = kCkptChunkBytes);

}  // namespace shardfs
