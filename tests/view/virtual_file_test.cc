#include "shardfs/view/virtual_file.h"

#include <gtest/gtest.h>

#include "shardfs/format/safetensors/header.h"
#include "tensor/memory_source.h"

namespace shardfs {
namespace {

using testing::MemorySource;

std::vector<std::byte> Counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

std::string ReadRange(const VirtualFile& file, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '?');
  const Status status = file.ReadAt(offset, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

TEST(VirtualFile, GeneratedBytesAreReadAnywhere) {
  const auto file = MakeGeneratedFile("hello world");
  EXPECT_EQ(file->kind(), FileKind::kGenerated);
  EXPECT_EQ(file->size(), 11u);
  EXPECT_EQ(ReadRange(*file, 6, 5), "world");
  EXPECT_EQ(ReadRange(*file, 11, 0), "");
  std::vector<std::byte> beyond(2);
  EXPECT_EQ(file->ReadAt(10, beyond).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(file->ReadAt(~std::uint64_t{0}, beyond).code(), StatusCode::kInvalidArgument);
}

TEST(VirtualFile, PassthroughIsTheSourceAndSaysSo) {
  auto source = std::make_unique<MemorySource>(Counting(100), true);
  const ByteSource* const raw = source.get();
  const auto file = MakePassthroughFile(std::move(source));
  EXPECT_EQ(file->kind(), FileKind::kPassthrough);
  EXPECT_EQ(ReadRange(*file, 97, 3), "abc");
  std::vector<SourceSpan> spans;
  file->VisitSources(90, 50, [&](const SourceSpan& span) { spans.push_back(span); });
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].source, raw);
  EXPECT_EQ(spans[0].offset, 90u);
  EXPECT_EQ(spans[0].size, 10u);
}

TEST(VirtualFile, ATensorFileIsItsHeaderAndItsTensorsInTheWritersOrder) {
  const auto source = std::make_shared<MemorySource>(Counting(200), true);
  const std::vector<NamedTensor> tensors = {
      {"b", Tensor::Source(source.get(), 0, Dtype::kBF16, {4}).value()},
      {"a", Tensor::Source(source.get(), 50, Dtype::kBF16, {2, 3}).value()},
      {"router", Tensor::Source(source.get(), 100, Dtype::kF32, {5}).value()},
  };
  const auto file = MakeTensorFile(tensors, source).value();
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].name, "router");
  EXPECT_EQ(file->tensors()[1].name, "a");
  EXPECT_EQ(file->tensors()[2].name, "b");
  EXPECT_EQ(file->tensors()[2].end, file->size());
  const std::string whole = ReadRange(*file, 0, file->size());
  const auto header =
      ParseHeader(std::as_bytes(std::span(whole)).first(file->tensors()[0].begin), file->size(), "file");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[1].shape, (Shape{2, 3}));
  EXPECT_EQ(whole.substr(file->tensors()[1].begin, 12),
            ReadRange(*MakePassthroughFile(std::make_unique<MemorySource>(Counting(200), true)), 50, 12));
}

TEST(VirtualFile, ATensorFileOfNoTensorsIsAHeaderAlone) {
  const auto file = MakeTensorFile({}, nullptr).value();
  const std::string whole = ReadRange(*file, 0, file->size());
  EXPECT_TRUE(ParseHeader(std::as_bytes(std::span(whole)), file->size(), "empty").ok());
}

TEST(VirtualFile, TheSourcesOfATensorFileStayAliveWithIt) {
  auto source = std::make_shared<MemorySource>(Counting(8), true);
  const std::weak_ptr<MemorySource> watch = source;
  auto file =
      MakeTensorFile(std::vector<NamedTensor>{{"t", Tensor::Source(source.get(), 0, Dtype::kI8, {8}).value()}}, source)
          .value();
  source.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(ReadRange(*file, file->size() - 1, 1), std::string(1, '\7'));
  file.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(VirtualFile, NamesThatTheReaderWouldRefuseAreNotWritten) {
  const auto source = std::make_shared<MemorySource>(Counting(8), true);
  const auto tensor = Tensor::Source(source.get(), 0, Dtype::kI8, {8}).value();
  EXPECT_FALSE(MakeTensorFile(std::vector<NamedTensor>{{"t", tensor}, {"t", tensor}}, source).ok());
  EXPECT_FALSE(MakeTensorFile(std::vector<NamedTensor>{{"__metadata__", tensor}}, source).ok());
}

}  // namespace
}  // namespace shardfs
