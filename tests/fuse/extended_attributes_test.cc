#include "fuse/extended_attributes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>

#include "fuse/fuse_available.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "fuse/watched_source.h"

namespace shardfs {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A file that takes the given ranges of sources, in that order.
class FileOfRanges final : public VirtualFile {
 public:
  explicit FileOfRanges(std::vector<SourceSpan> spans) : spans_(std::move(spans)) {}
  FileKind kind() const override { return FileKind::kTensors; }
  std::uint64_t size() const override { return 1; }
  Status ReadAt(std::uint64_t, std::span<std::byte>) const override { return Status::Ok(); }
  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>& visit) const override {
    for (const SourceSpan& span : spans_) visit(span);
  }

 private:
  std::vector<SourceSpan> spans_;
};

WatchedSource Source(const std::string& name) {
  return {name, std::uint64_t{1} << 40, [] { return Status::Ok(); }};
}

TEST(DescribeSourcesTest, MergesRangesAndKeepsTheOrderOfFiles) {
  const WatchedSource first = Source("z.safetensors");
  const WatchedSource second = Source("a b#\\.safetensors");
  const FileOfRanges file({{&first, 100, 50},
                           {&first, 150, 50},
                           {&second, 8, 2},
                           {&first, 0, 40},
                           {&first, 30, 20},
                           {&second, 0, 8},
                           {&first, 300, 1}});
  EXPECT_EQ(DescribeSources(file, 4096),
            "z.safetensors 0 50\n"
            "z.safetensors 100 100\n"
            "z.safetensors 300 1\n"
            "a\\040b\\043\\134.safetensors 0 10\n");
}

TEST(DescribeSourcesTest, TooManyRangesAreSummedUpByFile) {
  const WatchedSource first = Source("first");
  const WatchedSource second = Source("second");
  std::vector<SourceSpan> spans;
  for (std::uint64_t i = 0; i < 1000; ++i) spans.push_back({&first, 1000 + 10 * i, 4});
  spans.push_back({&second, 5, 6});
  const std::string text = DescribeSources(FileOfRanges(spans), 1000);
  EXPECT_THAT(text, StartsWith("# 1001 ranges, too many to list; "));
  EXPECT_THAT(text, EndsWith("\nfirst 1000 9994 4000\nsecond 5 6 6\n"));
}

TEST(DescribeSourcesTest, NeverExceedsTheLimitAndSaysWhatIsLeftOut) {
  std::vector<WatchedSource> sources;
  std::vector<SourceSpan> spans;
  sources.reserve(2000);
  for (int i = 0; i < 2000; ++i) {
    sources.push_back(Source("model-" + std::to_string(i) + std::string(60, 'x')));
    for (std::uint64_t j = 0; j < 3; ++j) spans.push_back({&sources.back(), 100 * j, 7});
  }
  for (const std::size_t limit : {kListedBytes, kMostXattrBytes}) {
    const std::string text = DescribeSources(FileOfRanges(spans), limit);
    EXPECT_LE(text.size(), limit);
    EXPECT_GT(text.size(), limit - 300);
    const auto lines = std::count(text.begin(), text.end(), '\n');
    EXPECT_THAT(text, HasSubstr("\n# and " + std::to_string(2000 - (lines - 2)) + " more files"));
  }
}

class ExtendedAttributesTest : public testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    FuseOptions options;
    options.description.layout = "mindie";
    options.description.sizes = {{"dp", "2"}, {"tp", "8"}};
    mount_ = std::make_unique<MountedTree>(SampleTree(), options);
    ASSERT_TRUE(mount_->status().ok()) << mount_->status();
  }

  // The value, or "errno: N".
  std::string Get(const std::string& file, const char* name) const {
    std::array<char, 65536> value;
    const ssize_t size = ::getxattr(mount_->PathOf(file).c_str(), name, value.data(), value.size());
    return size < 0 ? "errno: " + std::to_string(errno) : std::string(value.data(), static_cast<std::size_t>(size));
  }

  std::string List(const std::string& file) const {
    std::array<char, 1024> names;
    const ssize_t size = ::listxattr(mount_->PathOf(file).c_str(), names.data(), names.size());
    return size < 0 ? "errno: " + std::to_string(errno) : std::string(names.data(), static_cast<std::size_t>(size));
  }

  std::unique_ptr<MountedTree> mount_;
};

TEST_F(ExtendedAttributesTest, FilesAndDirectoriesAnswer) {
  using namespace std::string_literals;
  EXPECT_EQ(Get("config.json", "user.shardfs.layout"), "mindie dp=2 tp=8");
  EXPECT_EQ(Get("model-a", "user.shardfs.layout"), "mindie dp=2 tp=8");
  EXPECT_EQ(Get("", "user.shardfs.layout"), "mindie dp=2 tp=8");
  EXPECT_THAT(Get("config.json", "user.shardfs.sources"), StartsWith("# made by the layout"));
  EXPECT_THAT(Get("config.json", "user.shardfs.ranges"), StartsWith("# made by the layout"));
  EXPECT_EQ(List("config.json"), "user.shardfs.layout\0user.shardfs.sources\0"s);
  EXPECT_EQ(List("model-a"), "user.shardfs.layout\0"s);
}

TEST_F(ExtendedAttributesTest, OtherNamesHaveNoData) {
  const std::string no_data = "errno: " + std::to_string(ENODATA);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Get("config.json", "user.x"), no_data);
    EXPECT_EQ(Get("config.json", "user.shardfs.layou"), no_data);
    EXPECT_EQ(Get("model-a", "user.shardfs.sources"), no_data);
    EXPECT_EQ(Get("config.json", "security.capability"), no_data);
    EXPECT_EQ(Get(".shardfs/metrics", "user.shardfs.layout"), no_data);
  }
  EXPECT_EQ(List(".shardfs/metrics"), "");
}

TEST_F(ExtendedAttributesTest, SizesAreToldAndSmallBuffersRefused) {
  const std::string path = mount_->PathOf("config.json");
  EXPECT_EQ(::getxattr(path.c_str(), "user.shardfs.layout", nullptr, 0), 16);
  EXPECT_EQ(::listxattr(path.c_str(), nullptr, 0), 41);
  std::array<char, 15> small;
  EXPECT_EQ(::getxattr(path.c_str(), "user.shardfs.layout", small.data(), small.size()), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(::listxattr(path.c_str(), small.data(), small.size()), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(::setxattr(path.c_str(), "user.x", "y", 1, 0), -1);
  EXPECT_EQ(errno, EROFS);
}

}  // namespace
}  // namespace shardfs
