#include "tools/placement.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <tuple>

#include "tools/checkpoint_writer.h"

namespace shardfs::tools {
namespace {

namespace fs = std::filesystem;

TEST(IndexJsonTest, MapsTensorsToFiles) {
  const auto index = nlohmann::json::parse(IndexJson({{"b", "1.safetensors"}, {"a", "2.safetensors"}}, 12));
  EXPECT_EQ(index["metadata"]["total_size"], 12);
  EXPECT_EQ(index["weight_map"].size(), 2u);
  EXPECT_EQ(index["weight_map"]["a"], "2.safetensors");
}

TEST(HuggingFacePlacementTest, WholeTensorsInOrder) {
  const std::vector<NewTensor> tensors = {
      {"a", Dtype::kBF16, {4, 2}}, {"b", Dtype::kBF16, {4}}, {"c", Dtype::kBF16, {16}}};
  const HuggingFacePlacement placement(tensors, "model", {.max_file_bytes = 24, .files = 0});
  const char* const files[] = {"model-00001-of-00002.safetensors", "model-00001-of-00002.safetensors",
                               "model-00002-of-00002.safetensors"};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto pieces = placement.PiecesOf(i);
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].file, files[i]);
    EXPECT_EQ(pieces[0].name, tensors[i].name);
    EXPECT_FALSE(pieces[0].slice.has_value());
  }
  const auto texts = placement.TextFiles();
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0].name, "model.safetensors.index.json");
  EXPECT_EQ(nlohmann::json::parse(texts[0].content)["metadata"]["total_size"], 56);
}

// A layout of two ranks: matrices are halved along `axis`, vectors are in both, and one is left out.
class TwoRanks : public Placement {
 public:
  TwoRanks(const std::vector<NewTensor>& tensors, std::size_t axis) : tensors_(tensors), axis_(axis) {}

  std::vector<Piece> PiecesOf(std::size_t index) const override {
    const NewTensor& tensor = tensors_[index];
    if (tensor.name == "left_out") return {};
    if (tensor.shape.size() < 2) {
      return {{"rank0/weights.safetensors", "v." + tensor.name}, {"rank1/weights.safetensors", "v." + tensor.name}};
    }
    const std::uint64_t half = tensor.shape[axis_] / 2;
    return {{"rank0/weights.safetensors", "m." + tensor.name, Slice{axis_, 0, half}},
            {"rank1/weights.safetensors", "m." + tensor.name, Slice{axis_, half, tensor.shape[axis_]}}};
  }
  std::vector<TextFile> TextFiles() const override { return {{"ranks.txt", "2\n"}}; }

 private:
  const std::vector<NewTensor>& tensors_;
  std::size_t axis_;
};

class PlacementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shardfs-placement-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  // The tensors of one file by name, with their bytes.
  std::map<std::string, std::pair<Shape, std::vector<std::byte>>> Read(const fs::path& path) const {
    std::ifstream in(root_ / path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    const auto bytes = std::as_bytes(std::span(text));
    const auto extent = HeaderExtent(bytes.first(8), bytes.size());
    EXPECT_TRUE(extent.ok()) << extent.status();
    const auto header = ParseHeader(bytes.first(*extent), bytes.size(), path.string());
    EXPECT_TRUE(header.ok()) << header.status();
    std::map<std::string, std::pair<Shape, std::vector<std::byte>>> tensors;
    for (const HeaderTensor& tensor : header->tensors) {
      const auto data = bytes.subspan(header->data_offset + tensor.begin, tensor.end - tensor.begin);
      tensors[tensor.name] = {tensor.shape, {data.begin(), data.end()}};
    }
    return tensors;
  }

  fs::path root_;
};

// Row by row, as a reader of the format would cut it.
std::vector<std::byte> Cut(const NewTensor& tensor, const std::vector<std::byte>& whole, std::size_t axis,
                           std::uint64_t begin, std::uint64_t end) {
  std::vector<std::byte> cut;
  const std::uint64_t columns = tensor.shape[1];
  for (std::uint64_t row = 0; row < tensor.shape[0]; ++row) {
    for (std::uint64_t column = 0; column < columns; ++column) {
      const std::uint64_t at = axis == 0 ? row : column;
      if (at < begin || at >= end) continue;
      for (std::uint64_t byte = 0; byte < 2; ++byte) cut.push_back(whole[(row * columns + column) * 2 + byte]);
    }
  }
  return cut;
}

// The bytes that TwoRanks puts into a rank's file for one tensor.
std::vector<std::byte> ExpectedPiece(const NewTensor& tensor, const ContentOptions& content, std::size_t axis,
                                     std::uint64_t rank) {
  const ContentKey key{tensor.name, tensor.dtype, SizeOf(tensor), content.seed};
  std::vector<std::byte> whole(key.size);
  ExpectedBytes(key, content.fill, 0, whole);
  if (tensor.shape.size() < 2) return whole;
  const std::uint64_t half = tensor.shape[axis] / 2;
  return Cut(tensor, whole, axis, rank * half, rank == 0 ? half : tensor.shape[axis]);
}

class SlicedPlacementTest : public PlacementTest,
                            public ::testing::WithParamInterface<std::tuple<Fill, std::size_t>> {};

TEST_P(SlicedPlacementTest, PiecesHoldSlicesOfTheTensorsContent) {
  const auto [fill, axis] = GetParam();
  const std::vector<NewTensor> tensors = {{"w", Dtype::kBF16, {75, 62}},
                                          {"norm", Dtype::kBF16, {62}},
                                          {"left_out", Dtype::kBF16, {8}},
                                          {"small", Dtype::kBF16, {2, 6}}};
  const ContentOptions content{.seed = 5, .fill = fill};
  const auto summary =
      WriteTensors((root_ / "c").string(), tensors, TwoRanks(tensors, axis), {{"config.json", "{}"}}, content);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->files, 2u);
  EXPECT_EQ(summary->tensors, 6u);
  EXPECT_TRUE(fs::exists(root_ / "c/ranks.txt"));
  EXPECT_TRUE(fs::exists(root_ / "c/config.json"));
  for (const std::uint64_t rank : {0u, 1u}) {
    const auto pieces = Read("c/rank" + std::to_string(rank) + "/weights.safetensors");
    EXPECT_EQ(pieces.size(), 3u);
    for (const NewTensor& tensor : tensors) {
      if (tensor.name == "left_out") continue;
      const bool matrix = tensor.shape.size() == 2;
      const auto& [shape, bytes] = pieces.at((matrix ? "m." : "v.") + tensor.name);
      EXPECT_EQ(bytes, ExpectedPiece(tensor, content, axis, rank)) << tensor.name << " of rank " << rank;
      Shape expected = tensor.shape;
      if (matrix) expected[axis] = rank == 0 ? expected[axis] / 2 : expected[axis] - expected[axis] / 2;
      EXPECT_EQ(shape, expected) << tensor.name << " of rank " << rank;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(FillsAndAxes, SlicedPlacementTest,
                         ::testing::Combine(::testing::Values(Fill::kDense, Fill::kSparse),
                                            ::testing::Values(std::size_t{0}, std::size_t{1})));

// Places every tensor whole, or the slice that the test gives, in one file under one name.
class OneFile : public Placement {
 public:
  explicit OneFile(std::optional<Slice> slice) : slice_(slice) {}
  std::vector<Piece> PiecesOf(std::size_t) const override { return {{"sub/one.safetensors", "x", slice_}}; }
  std::vector<TextFile> TextFiles() const override { return {}; }

 private:
  std::optional<Slice> slice_;
};

TEST_F(PlacementTest, RefusesSlicesBeyondTheTensorAndTwiceOneName) {
  const std::vector<NewTensor> tensors = {{"w", Dtype::kBF16, {4, 6}}};
  for (const Slice slice : {Slice{2, 0, 1}, Slice{1, 0, 7}, Slice{0, 2, 2}}) {
    const auto summary = WriteTensors((root_ / "c").string(), tensors, OneFile(slice), {}, {});
    EXPECT_EQ(summary.status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(fs::is_empty(root_ / "c"));
  }
  const std::vector<NewTensor> two = {{"v", Dtype::kBF16, {4}}, {"w", Dtype::kBF16, {4}}};
  EXPECT_FALSE(WriteTensors((root_ / "c").string(), two, OneFile(std::nullopt), {}, {}).ok());
  EXPECT_TRUE(fs::is_empty(root_ / "c"));
}

}  // namespace
}  // namespace shardfs::tools
