// A MindSpore .ckpt. The input is the whole file; one that begins as an encrypted file does is read through a key.
//
// What is accepted must keep every promise of ckpt.h: chunks lie within the file, one behind the other, and are as many
// bytes as the shapes need; and its tensors, laid out as a file of ours and read again, are the same.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "checkpoint/ckpt_state_dict.h"
#include "format/ckpt/encrypted_source.h"
#include "fuzz/fuzz_target.h"
#include "shardfs/format/ckpt/ckpt.h"
#include "tensor/memory_source.h"

namespace shardfs::testing {
namespace {

constexpr std::uint64_t kMaxCheckedBytes = 1 << 16;

void CheckPromises(const CkptContent& content, std::uint64_t file_size) {
  std::uint64_t end = 0;
  SHARDFS_FUZZ_CHECK(content.size + (content.crc ? 17 : 0) == file_size);
  for (const FileRange& chunk : content.chunks) {
    SHARDFS_FUZZ_CHECK(chunk.offset >= end && chunk.size != 0 && chunk.end() <= content.size);
    end = chunk.end();
  }
  std::vector<std::string_view> names;
  std::uint32_t next = 0;
  for (const CkptTensor& tensor : content.tensors) {
    SHARDFS_FUZZ_CHECK(tensor.first_chunk == next);
    next += tensor.chunks;
    std::uint64_t bytes = 0;
    for (std::uint32_t i = 0; i < tensor.chunks; ++i) bytes += content.chunks[tensor.first_chunk + i].size;
    const auto elements = ElementCount(tensor.shape);
    SHARDFS_FUZZ_CHECK(elements.ok() && *elements * DtypeBytes(tensor.dtype) * (tensor.is_wide ? 2 : 1) == bytes);
    SHARDFS_FUZZ_CHECK(!tensor.is_wide || tensor.dtype == Dtype::kBF16);
    SHARDFS_FUZZ_CHECK(tensor.shape.size() <= 16 && !tensor.name.empty() && tensor.name.size() <= 4096);
    names.push_back(tensor.name);
  }
  SHARDFS_FUZZ_CHECK(next == content.chunks.size());
  for (const CkptExtra& extra : content.extras) names.push_back(extra.name);
  std::sort(names.begin(), names.end());
  SHARDFS_FUZZ_CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

std::string BytesOfTensor(const StateDict& dict, std::uint32_t index) {
  const auto tensor = dict.Build(index);
  SHARDFS_FUZZ_CHECK(tensor.ok());
  const auto plan = LowerToPlan(*tensor);
  SHARDFS_FUZZ_CHECK(plan.ok() && plan->size() == BytesOf(dict.specs()[index]));
  std::string bytes(plan->size(), '\0');
  SHARDFS_FUZZ_CHECK(plan->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
  return bytes;
}

std::shared_ptr<const MemorySource> SourceOf(std::string_view bytes) {
  std::vector<std::byte> copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return std::make_shared<const MemorySource>(std::move(copy), false);
}

// The tensors that have elements, written with a chunk that cuts some of them, and read again.
void CheckRoundTrip(const StateDict& dict, const CkptContent& content) {
  std::vector<NewCkptTensor> tensors;
  std::vector<std::string> bytes;
  for (std::uint32_t i = 0; i < dict.specs().size(); ++i) {
    const TensorSpec& spec = dict.specs()[i];
    if (BytesOf(spec) == 0) continue;
    tensors.push_back({spec.name, spec.dtype, spec.shape, content.tensors[i].is_int4});
    bytes.push_back(BytesOfTensor(dict, i));
  }
  const auto pieces = LayOutCkpt(tensors, 13);
  SHARDFS_FUZZ_CHECK(pieces.ok());
  std::string file;
  for (const CkptPiece& piece : pieces->pieces) {
    file +=
        pieces->text.substr(piece.text_begin, piece.text_size) + bytes[piece.tensor].substr(piece.begin, piece.size);
  }
  SHARDFS_FUZZ_CHECK(file.size() == pieces->file_size);
  if (tensors.empty()) return;
  const auto source = SourceOf(file);
  auto again = ReadCkpt(*source);
  SHARDFS_FUZZ_CHECK(again.ok() && again->tensors.size() == tensors.size());
  const CkptStateDict second(source, std::move(again).value());
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& spec = second.specs()[i];
    SHARDFS_FUZZ_CHECK(spec.name == tensors[i].name && spec.dtype == tensors[i].dtype &&
                       spec.shape == tensors[i].shape);
    SHARDFS_FUZZ_CHECK(BytesOfTensor(second, i) == bytes[i]);
  }
}

// The plain bytes of an encrypted input, or null where it is refused.
std::shared_ptr<const ByteSource> Decrypted(const std::shared_ptr<const MemorySource>& source) {
  const auto key = DecryptionKey::FromHex("101112131415161718191a1b1c1d1e1f", "fuzz");
  SHARDFS_FUZZ_CHECK(key.ok());
  const auto opened = EncryptedSource::Open(source, *key, std::nullopt);
  if (opened.ok()) return *opened;
  const StatusCode code = opened.status().code();
  SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kInvalidArgument);
  return nullptr;
}

}  // namespace
}  // namespace shardfs::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto file = testing::SourceOf(testing::AsText(data, size));
  std::shared_ptr<const ByteSource> source = file;
  if (CipherModeOf(file->bytes())) source = testing::Decrypted(file);
  if (source == nullptr) return 0;
  auto content = ReadCkpt(*source);
  if (!content.ok()) {
    const StatusCode code = content.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
    SHARDFS_FUZZ_CHECK(content.status().message().size() < 16384);
    return 0;
  }
  testing::CheckPromises(*content, source->size());
  if (content->size > testing::kMaxCheckedBytes) return 0;
  const CkptStateDict dict(source, *content);
  testing::CheckRoundTrip(dict, *content);
  return 0;
}
