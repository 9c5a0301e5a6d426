// What a READ costs that does not depend on the clock: serving one allocates nothing (libfuse, in C, allocates for
// itself). A program of its own: operator new is replaced.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "fuse/fuse_available.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "fuse/watched_source.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/allocations.h"

namespace shardfs {
namespace {

// The fewest allocations of five times a thousand calls, in all threads: the server's are of this process, and what it
// does beside (it raises the read-ahead window soon after the mount) falls into one of the five.
template <typename Body>
std::uint64_t AllocationsOf(Body&& body) {
  std::uint64_t fewest = ~std::uint64_t{0};
  for (int round = 0; round < 5; ++round) {
    testing::StartCounting();
    for (int i = 0; i < 1000; ++i) body(i);
    fewest = std::min(fewest, testing::StopCounting());
  }
  return fewest;
}

TEST(ReadCostTest, ServingAReadAllocatesNothing) {
  SHARDFS_REQUIRE_FUSE();
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  // O_DIRECT: every read is a request.
  const FileDescriptor file(::open(mount.PathOf("model-a/model.safetensors").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  alignas(4096) static char buffer[64 * 1024];
  const auto read = [&](int i) { return ::pread(file.get(), buffer, sizeof buffer, (i % 40) * off_t{65536}); };
  for (int i = 0; i < 200; ++i) ASSERT_EQ(read(i), ssize_t{sizeof buffer});  // threads start, buffers grow
  const std::uint64_t reads_before = mount.session().counters().reads();
  EXPECT_EQ(AllocationsOf(read), 0u);
  EXPECT_EQ(mount.session().counters().reads() - reads_before, 5000u);
}

// The scheduler of reads looks at the sources of each.
TEST(ReadCostTest, ServingAReadOfASourceAllocatesNothing) {
  SHARDFS_REQUIRE_FUSE();
  std::vector<std::unique_ptr<WatchedSource>> sources;
  sources.push_back(std::make_unique<WatchedSource>("a", std::uint64_t{4} << 20, [] { return Status::Ok(); }));
  MountedTree mount(TreeOf(std::move(sources)));
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  const FileDescriptor file(::open(mount.PathOf("file-0").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  alignas(4096) static char buffer[64 * 1024];
  const auto read = [&](int i) { return ::pread(file.get(), buffer, sizeof buffer, (i % 40) * off_t{65536}); };
  for (int i = 0; i < 200; ++i) ASSERT_EQ(read(i), ssize_t{sizeof buffer});
  EXPECT_EQ(AllocationsOf(read), 0u);
}

TEST(ReadCostTest, AskingForAnUnknownAttributeAllocatesNothing) {
  SHARDFS_REQUIRE_FUSE();
  MountedTree mount(SampleTree());
  ASSERT_TRUE(mount.status().ok()) << mount.status();
  const std::string path = mount.PathOf("config.json");
  char value[64];
  const auto ask = [&](int) { return ::getxattr(path.c_str(), "security.capability", value, sizeof value); };
  for (int i = 0; i < 200; ++i) ASSERT_EQ(ask(i), -1);
  EXPECT_EQ(AllocationsOf(ask), 0u);
}

}  // namespace
}  // namespace shardfs
