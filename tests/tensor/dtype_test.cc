#include "shardfs/tensor/dtype.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

constexpr int kLast = static_cast<int>(Dtype::kU64);

TEST(DtypeTest, EveryNameReadsBackAsItsDtype) {
  for (int i = 0; i <= kLast; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(DtypeFromName(DtypeName(dtype)), dtype) << DtypeName(dtype);
  }
}

TEST(DtypeTest, NamesAreThoseOfTheFormat) {
  EXPECT_EQ(DtypeName(Dtype::kBool), "BOOL");
  EXPECT_EQ(DtypeName(Dtype::kBF16), "BF16");
  EXPECT_EQ(DtypeName(Dtype::kF8E4M3), "F8_E4M3");
  EXPECT_EQ(DtypeName(Dtype::kF8E5M2), "F8_E5M2");
  EXPECT_EQ(DtypeName(Dtype::kF8E8M0), "F8_E8M0");
  EXPECT_EQ(DtypeName(Dtype::kF6E2M3), "F6_E2M3");
  EXPECT_EQ(DtypeName(Dtype::kC64), "C64");
  EXPECT_EQ(DtypeName(Dtype::kU64), "U64");
  EXPECT_EQ(DtypeFromName("bf16"), std::nullopt);
  EXPECT_EQ(DtypeFromName(""), std::nullopt);
  EXPECT_EQ(DtypeFromName("BF16 "), std::nullopt);
}

TEST(DtypeTest, OrderIsTheOneThatTheWriterSortsBy) {
  EXPECT_GT(Dtype::kI64, Dtype::kF32);
  EXPECT_GT(Dtype::kF32, Dtype::kI32);
  EXPECT_GT(Dtype::kI32, Dtype::kBF16);
  EXPECT_GT(Dtype::kBF16, Dtype::kF16);
  EXPECT_GT(Dtype::kF16, Dtype::kI8);
}

TEST(DtypeTest, Sizes) {
  EXPECT_EQ(DtypeBytes(Dtype::kBool), 1u);
  EXPECT_EQ(DtypeBytes(Dtype::kF8E4M3), 1u);
  EXPECT_EQ(DtypeBytes(Dtype::kBF16), 2u);
  EXPECT_EQ(DtypeBytes(Dtype::kF32), 4u);
  EXPECT_EQ(DtypeBytes(Dtype::kC64), 8u);
  EXPECT_EQ(DtypeBits(Dtype::kF4), 4u);
  EXPECT_EQ(DtypeBytes(Dtype::kF4), 0u);
  EXPECT_EQ(DtypeBits(Dtype::kF6E3M2), 6u);
  EXPECT_EQ(DtypeBytes(Dtype::kF6E3M2), 0u);
}

TEST(DtypeTest, FloatsAreThoseThatAreCast) {
  EXPECT_TRUE(IsFloat(Dtype::kF32));
  EXPECT_TRUE(IsFloat(Dtype::kF16));
  EXPECT_TRUE(IsFloat(Dtype::kBF16));
  EXPECT_FALSE(IsFloat(Dtype::kF64));
  EXPECT_FALSE(IsFloat(Dtype::kF8E4M3));
  EXPECT_FALSE(IsFloat(Dtype::kI8));
}

}  // namespace
}  // namespace shardfs
