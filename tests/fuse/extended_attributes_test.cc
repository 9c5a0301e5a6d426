#include "fuse/extended_attributes.h"

#include <fcntl.h>
#include <fmt/format.h>
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
  EXPECT_EQ(DescribeSources(file, 1, 4096),
            "z.safetensors 0 50\n"
            "z.safetensors 100 100\n"
            "z.safetensors 300 1\n"
            "a\\040b\\043\\134.safetensors 0 10\n");
  EXPECT_EQ(DescribeSources(file, 2, 4096), std::nullopt);
}

// 200 ranges of each of 30 files.
std::vector<SourceSpan> ManySpans(const std::vector<WatchedSource>& sources) {
  std::vector<SourceSpan> spans;
  for (const WatchedSource& source : sources) {
    for (std::uint64_t i = 0; i < 200; ++i) spans.push_back({&source, 1000 + 10 * i, 4});
  }
  return spans;
}

TEST(DescribeSourcesTest, PagesHoldEveryRangeOnce) {
  std::vector<WatchedSource> sources;
  sources.reserve(30);
  for (int i = 0; i < 30; ++i) sources.push_back(Source("model-" + std::to_string(i)));
  const std::vector<SourceSpan> spans = ManySpans(sources);
  std::string expected;
  for (const SourceSpan& span : spans) expected += fmt::format("{} {} {}\n", span.source->name(), span.offset, span.size);
  for (const std::size_t limit : {std::size_t{1000}, std::size_t{20000}, kMostXattrBytes, 2 * kMostXattrBytes}) {
    std::string all;
    std::size_t page = 1;
    for (bool more = true; more; ++page) {
      std::string text = DescribeSources(FileOfRanges(spans), page, limit).value();
      EXPECT_LE(text.size(), limit);
      const std::size_t remark = text.find('#');
      more = remark != std::string::npos;
      const auto lines = [](const std::string& lines_of) { return std::count(lines_of.begin(), lines_of.end(), '\n'); };
      all += text.substr(0, remark);
      if (!more) break;
      EXPECT_GT(text.size(), limit - 300);
      EXPECT_EQ(text.substr(remark), fmt::format("# and {} more ranges: getfattr -n user.shardfs.sources.{} --only-values "
                                                 "FILE\n",
                                                 lines(expected) - lines(all), page + 1));
    }
    EXPECT_EQ(all, expected) << limit;
    EXPECT_EQ(DescribeSources(FileOfRanges(spans), page + 1, limit), std::nullopt);
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
  EXPECT_EQ(List("config.json"), "user.shardfs.layout\0user.shardfs.sources\0"s);
  EXPECT_EQ(List("model-a"), "user.shardfs.layout\0"s);
}

// A copying tool that copies attributes to a file system with little room for them must not fail.
TEST(ExtendedAttributesListTest, SourcesThatAreManyAreAnsweredButNotListed) {
  SHARDFS_REQUIRE_FUSE();
  const auto sources = std::make_shared<std::vector<WatchedSource>>();
  sources->reserve(30);
  for (int i = 0; i < 30; ++i) sources->push_back(Source("model-" + std::to_string(i)));
  VirtualTreeBuilder builder;
  const std::vector<SourceSpan> spans = ManySpans(*sources);
  ASSERT_TRUE(builder.AddFile("many", RankSet::All(1), std::make_unique<FileOfRanges>(spans)).ok());
  MountedTree mount(std::move(builder).Build());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  const std::string path = mount.PathOf("many");
  std::array<char, 65536> bytes;
  EXPECT_EQ(::listxattr(path.c_str(), bytes.data(), bytes.size()), 20) << "user.shardfs.layout";
  std::size_t total = 0;
  for (const char* name : {"user.shardfs.sources", "user.shardfs.sources.2"}) {
    const ssize_t size = ::getxattr(path.c_str(), name, bytes.data(), bytes.size());
    ASSERT_GT(size, 0) << name;
    const std::string text(bytes.data(), static_cast<std::size_t>(size));
    total += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  EXPECT_EQ(total, spans.size() + 1) << "and a remark";
}

TEST_F(ExtendedAttributesTest, OtherNamesHaveNoData) {
  const std::string no_data = "errno: " + std::to_string(ENODATA);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Get("config.json", "user.x"), no_data);
    EXPECT_EQ(Get("config.json", "user.shardfs.layou"), no_data);
    EXPECT_EQ(Get("model-a", "user.shardfs.sources"), no_data);
    for (const char* page : {"2", "1", "02", "", "x", "2x"}) {
      EXPECT_EQ(Get("config.json", ("user.shardfs.sources." + std::string(page)).c_str()), no_data) << page;
    }
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
