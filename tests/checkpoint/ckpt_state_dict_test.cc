// Tensors of .ckpt files in every form that MindSpore has written, whole and sliced.
#include "checkpoint/ckpt_state_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "checkpoint/chunked_tensor.h"
#include "format/ckpt/ckpt_forms.h"

namespace shardfs::testing {
namespace {

std::string BytesOfTensor(const TensorPtr& tensor) {
  const auto plan = LowerToPlan(tensor);
  EXPECT_TRUE(plan.ok()) << plan.status();
  std::string bytes(plan->size(), '\0');
  EXPECT_TRUE(plan->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
  return bytes;
}

// Rows [begin, end) of `axis` of row-major bytes.
std::string SliceOf(const std::string& bytes, const Shape& shape, std::size_t axis, std::uint64_t begin,
                    std::uint64_t end, std::size_t element) {
  std::uint64_t outer = 1;
  std::uint64_t inner = element;
  for (std::size_t a = 0; a < axis; ++a) outer *= shape[a];
  for (std::size_t a = axis + 1; a < shape.size(); ++a) inner *= shape[a];
  std::string slice;
  for (std::uint64_t o = 0; o < outer; ++o) {
    slice += bytes.substr((o * shape[axis] + begin) * inner, (end - begin) * inner);
  }
  return slice;
}

constexpr std::pair<const char*, std::size_t> kTypes[] = {
    {"BFloat16", 2}, {"Int8", 1}, {"Float32", 4}, {"Int64", 8}, {"Float16", 2}};

std::vector<FormTensor> RandomTensors(std::mt19937& random, bool with_empty) {
  std::vector<FormTensor> tensors(1 + random() % 4);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    FormTensor& tensor = tensors[i];
    const auto [type, element] = kTypes[random() % std::size(kTypes)];
    tensor.name = "t" + std::to_string(i);
    tensor.type = type;
    tensor.element = element;
    std::size_t bytes = element;
    for (std::size_t rank = random() % 4; rank > 0; --rank) {
      tensor.dims.push_back(1 + random() % 6);
      bytes *= tensor.dims.back();
    }
    if (with_empty && random() % 8 == 0) {
      tensor.dims = {0, 3};  // [0] alone is a scalar
      bytes = 0;
    }
    for (std::size_t b = 0; b < bytes; ++b) tensor.bytes += static_cast<char>(random());
  }
  return tensors;
}

TEST(CkptStateDict, EveryFormGivesTheSameTensorsAndSlices) {
  std::mt19937 random(18);
  for (int round = 0; round < 2000; ++round) {
    const CkptForm form = kAllForms[random() % std::size(kAllForms)];
    const auto tensors = RandomTensors(random, form != CkptForm::k23);
    const std::uint64_t chunk = 1 + random() % 40;
    const std::string file = FormFile(tensors, form, chunk);
    const auto source = std::make_shared<const MemorySource>(SourceOf(file, random() % 2 == 0));
    auto content = ReadCkpt(*source);
    ASSERT_TRUE(content.ok()) << content.status();
    const CkptStateDict dict(source, std::move(content).value());
    ASSERT_EQ(dict.specs().size(), tensors.size());
    for (std::uint32_t i = 0; i < tensors.size(); ++i) {
      const TensorSpec& spec = dict.specs()[i];
      ASSERT_EQ(spec.name, tensors[i].name);
      ASSERT_EQ(spec.shape, tensors[i].dims);
      EXPECT_EQ(dict.Find(spec.name), i);
      const auto tensor = dict.Build(i);
      ASSERT_TRUE(tensor.ok()) << tensor.status();
      ASSERT_EQ(BytesOfTensor(*tensor), tensors[i].bytes) << "form " << static_cast<int>(form) << " chunk " << chunk;
      if (spec.shape.empty() || tensors[i].bytes.empty()) continue;
      const std::size_t axis = random() % spec.shape.size();
      const std::uint64_t begin = random() % spec.shape[axis];
      const std::uint64_t end = begin + 1 + random() % (spec.shape[axis] - begin);
      const auto slice = Tensor::Slice(*tensor, axis, begin, end);
      ASSERT_TRUE(slice.ok()) << slice.status();
      ASSERT_EQ(BytesOfTensor(*slice), SliceOf(tensors[i].bytes, spec.shape, axis, begin, end, tensors[i].element));
    }
  }
}

TEST(CkptStateDict, AWideTensorInChunksThatCutItsElements) {
  const std::string plain = "aAbBcCdDeE";
  const std::string wide = Widened(plain);
  for (std::size_t chunk = 1; chunk < wide.size(); ++chunk) {
    std::string file;
    for (std::size_t at = 0; at < wide.size(); at += chunk) {
      file += EntryOf("t", {5}, "BFloat16", std::string_view(wide).substr(at, chunk));
    }
    const auto source = std::make_shared<const MemorySource>(SourceOf(file));
    auto content = ReadCkpt(*source);
    ASSERT_TRUE(content.ok()) << content.status();
    const CkptStateDict dict(source, std::move(content).value());
    EXPECT_FALSE(dict.SpanOf(0));
    const auto tensor = dict.Build(0);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(BytesOfTensor(*tensor), plain) << chunk;
  }
}

TEST(CkptStateDict, SaysWhereATensorOfOneEntryLies) {
  const std::string file = EntryOf("a", {3}, "Int8", "xyz");
  const auto source = std::make_shared<const MemorySource>(SourceOf(file));
  const CkptStateDict dict(source, *ReadCkpt(*source));
  const auto span = dict.SpanOf(0);
  ASSERT_TRUE(span);
  EXPECT_EQ(file.substr(span->offset, span->size), "xyz");
  EXPECT_EQ(dict.Origin(0), "memory");
}

// Whole rows stay sources of their own, so that a cut of a 512 MiB chunk is a pattern of the file and no copy of it.
TEST(ChunkedTensor, ACutOfColumnsIsAPatternForEachChunk) {
  const MemorySource source = SourceOf(std::string(1000, 'x'));
  const std::vector<FileRange> chunks = {{0, 400}, {500, 400}};  // of 8 bytes a row, so 50 rows each
  const auto tensor = ChunkedTensor(&source, chunks, Dtype::kI16, {100, 4});
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  const auto columns = Tensor::Slice(*tensor, 1, 1, 3);
  ASSERT_TRUE(columns.ok());
  const auto plan = LowerToPlan(*columns);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->segments().size(), 2u);
  for (const PlanSegment& segment : plan->segments()) EXPECT_EQ(segment.kind, PlanSegment::Kind::kGather);
}

}  // namespace
}  // namespace shardfs::testing
