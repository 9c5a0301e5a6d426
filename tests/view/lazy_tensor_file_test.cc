// A file that is made when it is first read.
#include "view/lazy_tensor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tensor/memory_source.h"

namespace shardfs::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LazyTensorFileTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<const VirtualFile>> Make(const Shape& shape) {
    ++made_;
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr tensor, Tensor::Source(&used_, 0, Dtype::kU8, shape));
    SHARDFS_ASSIGN_OR_RETURN(PlannedTensor planned, PlanTensor("w", tensor));
    std::vector<PlannedTensor> tensors;
    tensors.push_back(std::move(planned));
    return MakePlannedFile(std::move(tensors), nullptr);
  }
  std::unique_ptr<const VirtualFile> Lazy(const Shape& told) {
    const std::vector<const ByteSource*> sources = {&used_, &unused_};
    auto file = MakeLazyTensorFile({{"w", Dtype::kU8, told}}, PytorchMetadata(),
                                   std::make_shared<const std::vector<const ByteSource*>>(sources),
                                   [this] { return Make({4}); });
    EXPECT_TRUE(file.ok()) << file.status();
    return std::move(*file);
  }
  static std::vector<const ByteSource*> SourcesOf(const VirtualFile& file) {
    std::vector<const ByteSource*> sources;
    file.VisitSources(0, file.size(), [&](const SourceSpan& span) { sources.push_back(span.source); });
    return sources;
  }

  MemorySource used_{std::vector<std::byte>(4, std::byte{7}), true};
  MemorySource unused_{std::vector<std::byte>(4), true};
  int made_ = 0;
};

TEST_F(LazyTensorFileTest, KnowsSizeCountAndSourcesBeforeItIsMade) {
  EXPECT_EQ(Lazy({4})->size(), (*Make({4}))->size());
  made_ = 0;
  const std::uint64_t large = std::uint64_t{5} << 20;
  const auto file = Lazy({large});
  EXPECT_GT(file->size(), large);
  EXPECT_EQ(file->kind(), FileKind::kTensors);
  EXPECT_EQ(file->tensor_count(), 1u);
  EXPECT_THAT(SourcesOf(*file), ElementsAre(&used_, &unused_));
  EXPECT_EQ(made_, 0);
}

// A small one is cheap to make, and then nothing is read ahead that it does not need.
TEST_F(LazyTensorFileTest, ASmallOneTellsItsOwnSourcesAtOnce) {
  EXPECT_THAT(SourcesOf(*Lazy({4})), ElementsAre(&used_));
  EXPECT_EQ(made_, 1);
}

TEST_F(LazyTensorFileTest, IsMadeOnceByTheFirstRead) {
  const auto file = Lazy({4});
  std::vector<std::byte> bytes(4);
  ASSERT_TRUE(file->ReadAt(file->size() - 4, bytes).ok());
  EXPECT_EQ(bytes, used_.bytes());
  ASSERT_TRUE(file->ReadAt(0, bytes).ok());
  EXPECT_THAT(SourcesOf(*file), ElementsAre(&used_));
  EXPECT_EQ(file->tensors().size(), 1u);
  EXPECT_EQ(made_, 1);
}

TEST_F(LazyTensorFileTest, AFileThatIsNotWhatWasToldFailsEveryRead) {
  const auto file = Lazy({100});
  std::vector<std::byte> bytes(4);
  for (int i = 0; i < 2; ++i) {
    const Status status = file->ReadAt(0, bytes);
    EXPECT_EQ(status.code(), StatusCode::kCorruption);
    EXPECT_THAT(std::string(status.message()), HasSubstr("was to have"));
  }
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_EQ(made_, 1);
}

}  // namespace
}  // namespace shardfs::testing
