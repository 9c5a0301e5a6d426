#include "tools/tensor_content.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace shardfs::tools {
namespace {

std::vector<std::byte> Read(const ContentKey& key, Fill fill, std::uint64_t offset, std::uint64_t size) {
  std::vector<std::byte> bytes(size);
  ExpectedBytes(key, fill, offset, bytes);
  return bytes;
}

TEST(ExpectedBytesTest, AnyRangeIsThatRangeOfTheWhole) {
  for (const Fill fill : {Fill::kDense, Fill::kSparse}) {
    const ContentKey key{"model.norm.weight", Dtype::kBF16, 10'006, 3};
    const auto whole = Read(key, fill, 0, key.size);
    for (std::uint64_t offset = 0; offset < key.size; offset += 37) {
      const std::uint64_t size = std::min<std::uint64_t>(offset % 101, key.size - offset);
      EXPECT_TRUE(std::equal(whole.begin() + static_cast<std::ptrdiff_t>(offset),
                             whole.begin() + static_cast<std::ptrdiff_t>(offset + size),
                             Read(key, fill, offset, size).begin()));
    }
  }
}

TEST(ExpectedBytesTest, DependsOnNameSeedAndPosition) {
  const auto bytes = Read({"a", Dtype::kBF16, 1024, 1}, Fill::kDense, 0, 512);
  EXPECT_NE(bytes, Read({"b", Dtype::kBF16, 1024, 1}, Fill::kDense, 0, 512));
  EXPECT_NE(bytes, Read({"a", Dtype::kBF16, 1024, 2}, Fill::kDense, 0, 512));
  EXPECT_NE(bytes, Read({"a", Dtype::kBF16, 1024, 1}, Fill::kDense, 512, 512));
}

// The tests that read a checkpoint written earlier rely on these bytes.
TEST(ExpectedBytesTest, IsTheDocumentedFunction) {
  const auto bytes = Read({"lm_head.weight", Dtype::kI64, 16, 7}, Fill::kDense, 0, 16);
  std::uint64_t words[2];
  std::memcpy(words, bytes.data(), sizeof(words));
  EXPECT_EQ(words[0], 0xEBBED1F734F3E315u);
  EXPECT_EQ(words[1], 0xA35AFF87956F4EC9u);
}

TEST(ExpectedBytesTest, ElementsAreFiniteAndNormal) {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
    const auto bytes = Read({"x", dtype, 1u << 16, 0}, Fill::kDense, 0, 1u << 16);
    bool negative = false;
    for (std::size_t i = 0; i < bytes.size(); i += DtypeBytes(dtype)) {
      float magnitude = 0;
      if (dtype == Dtype::kF32) {
        std::memcpy(&magnitude, &bytes[i], 4);
        negative |= magnitude < 0;
        magnitude = std::fabs(magnitude);
      } else {
        std::uint16_t bits = 0;
        std::memcpy(&bits, &bytes[i], 2);
        negative |= (bits & 0x8000) != 0;
        const int mantissa_bits = dtype == Dtype::kF16 ? 10 : 7;
        const int exponent_bias = dtype == Dtype::kF16 ? 15 : 127;
        const int exponent = (bits & 0x7FFF) >> mantissa_bits;
        const int mantissa = bits & ((1 << mantissa_bits) - 1);
        magnitude =
            std::ldexp(1.0f + std::ldexp(static_cast<float>(mantissa), -mantissa_bits), exponent - exponent_bias);
      }
      ASSERT_GE(magnitude, 0x1p-8f);
      ASSERT_LT(magnitude, 1.0f);
    }
    EXPECT_TRUE(negative);
  }
}

TEST(ExpectedBytesTest, ScalesArePositiveAndSmall) {
  for (const char* name : {"x.weight_scale", "x.deq_scale", "x.input_scale", "x.weight_scale_second", "x.fa_q.scale",
                           "x.weight_scale_inv"}) {
    const auto bytes = Read({name, Dtype::kF32, 4096, 0}, Fill::kDense, 0, 4096);
    const auto wide = Read({name, Dtype::kI64, 4096, 0}, Fill::kDense, 0, 4096);
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
      float value = 0;
      std::memcpy(&value, &bytes[i], 4);
      ASSERT_GE(value, 0x1p-12f) << name;
      ASSERT_LT(value, 0x1p-4f) << name;
      std::memcpy(&value, &wide[i], 4);
      if (i % 8 == 0) {
        ASSERT_GE(value, 0x1p-12f) << name;
      } else {
        ASSERT_EQ(value, 0) << name;
      }
    }
  }
}

// Neither NaN (0x7F and 0xFF), nor zeros and subnormals (exponent 0), nor infinity, which E4M3 has not.
TEST(ExpectedBytesTest, Fp8CodesAreNormalNumbersOfEitherSign) {
  const auto codes = Read({"x.weight", Dtype::kF8E4M3, 4096, 3}, Fill::kDense, 0, 4096);
  bool negative = false;
  for (const std::byte byte : codes) {
    const int code = std::to_integer<int>(byte);
    ASSERT_GE((code & 0x7F) >> 3, 1);  // 2^-6
    ASSERT_LE((code & 0x7F) >> 3, 8);  // below 4
    negative |= (code & 0x80) != 0;
  }
  EXPECT_TRUE(negative);
}

TEST(ExpectedBytesTest, OffsetsAreZeroUnlessRandom) {
  const std::vector<std::byte> zeros(10'000);
  for (const char* name : {"x.weight_offset", "x.input_offset", "x.weight_offset_second", "x.fa_k.offset"}) {
    ContentKey key{name, Dtype::kF32, 10'000, 0};
    EXPECT_EQ(Read(key, Fill::kDense, 0, key.size), zeros);
    EXPECT_EQ(Read(key, Fill::kSparse, 0, key.size), zeros);
    EXPECT_TRUE(StampsOf(key).empty());
    key.offsets = Offsets::kRandom;
    EXPECT_NE(Read(key, Fill::kDense, 0, 64), Read(key, Fill::kDense, 64, 64));
    EXPECT_FALSE(StampsOf(key).empty());
  }
}

TEST(ExpectedBytesTest, RandomInputOffsetsHaveWholePartsOfInt8) {
  const ContentKey key{"x.input_offset", Dtype::kF32, 4096, 0, Offsets::kRandom};
  const auto bytes = Read(key, Fill::kDense, 0, key.size);
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    float value = 0;
    std::memcpy(&value, &bytes[i], 4);
    ASSERT_GE(std::fabs(value), 0.5f);
    ASSERT_LT(std::fabs(value), 128.0f);
  }
}

TEST(ExpectedBytesTest, GateAndUpHaveOneInput) {
  const auto read = [](const std::string& name) {
    return Read({name, Dtype::kBF16, 2, 9, Offsets::kRandom}, Fill::kDense, 0, 2);
  };
  EXPECT_EQ(read("mlp.experts.3.up_proj.input_scale"), read("mlp.experts.3.gate_proj.input_scale"));
  EXPECT_EQ(read("mlp.experts.3.up_proj.input_offset"), read("mlp.experts.3.gate_proj.input_offset"));
  EXPECT_NE(read("mlp.experts.3.up_proj.weight"), read("mlp.experts.3.gate_proj.weight"));
}

TEST(StampsOfTest, SmallTensorIsAllStamp) {
  EXPECT_TRUE(StampsOf({"x", Dtype::kBF16, 0, 0}).empty());
  const auto stamps = StampsOf({"x", Dtype::kBF16, kWholeStampBytes, 0});
  ASSERT_EQ(stamps.size(), 1u);
  EXPECT_EQ(stamps[0].offset, 0u);
  EXPECT_EQ(stamps[0].size, kWholeStampBytes);
}

TEST(StampsOfTest, LiesApartAndWithinTheTensor) {
  for (std::uint64_t size = kWholeStampBytes + 1; size < kWholeStampBytes + 5000; size += 3) {
    const auto stamps = StampsOf({"tensor " + std::to_string(0), Dtype::kBF16, size, size});
    ASSERT_EQ(stamps.size(), 3u);
    EXPECT_EQ(stamps[0].offset, 0u);
    EXPECT_GE(stamps[1].offset, stamps[0].size);
    EXPECT_LE(stamps[1].offset + stamps[1].size, stamps[2].offset);
    EXPECT_EQ(stamps[2].offset + stamps[2].size, size);
  }
}

TEST(StampsOfTest, SparseContentIsTheDenseOneWithinStampsAndZeroElsewhere) {
  const ContentKey key{"model.layers.3.mlp.gate.weight", Dtype::kBF16, 100'000, 5};
  auto dense = Read(key, Fill::kDense, 0, key.size);
  std::vector<bool> stamped(key.size);
  for (const StampRange& stamp : StampsOf(key)) {
    for (std::uint64_t i = 0; i < stamp.size; ++i) stamped[stamp.offset + i] = true;
  }
  for (std::size_t i = 0; i < dense.size(); ++i) {
    if (!stamped[i]) dense[i] = std::byte{0};
  }
  EXPECT_EQ(Read(key, Fill::kSparse, 0, key.size), dense);
}

}  // namespace
}  // namespace shardfs::tools
