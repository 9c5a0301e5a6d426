// The header of a safetensors file. The input is the whole file: length, JSON, data.
//
// What is accepted must keep every promise of header.h, each checked here on its own, and survive a round trip through
// the writer.
#include <algorithm>
#include <string>

#include "fuzz/fuzz_target.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {
namespace {

constexpr std::uint64_t kMaxNumber = (std::uint64_t{1} << 48) - 1;

std::uint64_t BitsOf(const HeaderTensor& tensor) {
  unsigned __int128 bits = DtypeBits(tensor.dtype);
  for (const std::uint64_t size : tensor.shape) {
    SHARDFS_FUZZ_CHECK(size <= kMaxNumber);
    bits *= size;
    SHARDFS_FUZZ_CHECK(bits <= UINT64_MAX);
  }
  return static_cast<std::uint64_t>(bits);
}

void CheckPromises(const Header& header, std::uint64_t file_size) {
  std::vector<std::string_view> names;
  std::uint64_t end = 0;
  for (const HeaderTensor& tensor : header.tensors) {
    SHARDFS_FUZZ_CHECK(tensor.begin == end);
    SHARDFS_FUZZ_CHECK(tensor.end >= tensor.begin && tensor.end <= kMaxNumber);
    SHARDFS_FUZZ_CHECK(tensor.shape.size() <= 16);
    SHARDFS_FUZZ_CHECK(BitsOf(tensor) % 8 == 0 && BitsOf(tensor) / 8 == tensor.end - tensor.begin);
    SHARDFS_FUZZ_CHECK(tensor.name.size() <= 4096 && tensor.name.find('\0') == tensor.name.npos);
    SHARDFS_FUZZ_CHECK(tensor.name != "__metadata__");
    names.push_back(tensor.name);
    end = tensor.end;
  }
  SHARDFS_FUZZ_CHECK(header.data_offset + end == file_size);
  SHARDFS_FUZZ_CHECK(header.data_aligned == (header.data_offset % 8 == 0));
  std::sort(names.begin(), names.end());
  SHARDFS_FUZZ_CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

// Every header that the reader accepts is one that the writer can write, and reads back as the same tensors.
void CheckRoundTrip(const Header& header) {
  std::vector<NewTensor> tensors;
  for (const HeaderTensor& tensor : header.tensors) tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
  const auto written = SerializeHeader(tensors);
  SHARDFS_FUZZ_CHECK(written.ok());
  const auto again = ParseHeader(std::as_bytes(std::span(written->bytes)), written->file_size, "again");
  SHARDFS_FUZZ_CHECK(again.ok());
  SHARDFS_FUZZ_CHECK(again->tensors.size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NewTensor& given = tensors[written->order[i]];
    const HeaderTensor& read = again->tensors[i];
    SHARDFS_FUZZ_CHECK(read.name == given.name && read.dtype == given.dtype && read.shape == given.shape);
  }
}

}  // namespace
}  // namespace shardfs::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto extent = HeaderExtent(bytes.first(std::min<std::size_t>(size, 8)), size);
  if (!extent.ok()) {
    SHARDFS_FUZZ_CHECK(extent.status().code() == StatusCode::kCorruption);
    return 0;
  }
  const auto header = ParseHeader(bytes.first(*extent), size, "fuzz");
  if (header.ok()) {
    testing::CheckPromises(*header, size);
    testing::CheckRoundTrip(*header);
    return 0;
  }
  const StatusCode code = header.status().code();
  SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
  SHARDFS_FUZZ_CHECK(header.status().message().size() < 4096);
  return 0;
}
