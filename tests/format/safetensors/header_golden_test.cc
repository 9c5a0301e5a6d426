// The headers of files that the reference's writer made, read and written again: not a byte may differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "format/safetensors/header_bytes.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void ExpectSameBytes(const fs::path& path) {
  SCOPED_TRACE(path.string());
  const std::string file = ReadFile(path);
  const auto all = std::as_bytes(std::span(file));
  ASSERT_GE(all.size(), 8u);
  const auto extent = HeaderExtent(all.first(8), file.size());
  ASSERT_TRUE(extent.ok()) << extent.status();
  const auto header = ParseHeader(all.first(*extent), file.size(), path.filename().string());
  ASSERT_TRUE(header.ok()) << header.status();

  // Given in the order of names, so that the writer has to find the order of the data itself.
  std::vector<NewTensor> tensors;
  for (const HeaderTensor& tensor : header->tensors) tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto written = SerializeHeader(tensors);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->bytes, file.substr(0, *extent));
  EXPECT_EQ(written->file_size, file.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(written->offsets[i], header->data_offset + header->tensors[i].begin);
  }
}

TEST(HeaderGoldenTest, EveryFileSerializesToItsOwnBytes) {
  const fs::path golden = fs::path(SHARDFS_TESTS_DIR) / "golden" / "mindie";
  ASSERT_TRUE(fs::is_directory(golden)) << golden;
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(golden)) {
    if (entry.path().extension() != ".safetensors") continue;
    ExpectSameBytes(entry.path());
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace shardfs
