// File handles, as an NFS server or a backup uses them: they open the same file after the kernel has forgotten it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "fuse/fuse_available.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

// What name_to_handle_at() says of a path.
class Handle {
 public:
  explicit Handle(const std::string& path) {
    auto* const handle = Get();
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount = 0;
    ok_ = ::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, 0) == 0;
  }
  bool ok() const { return ok_; }
  FileDescriptor Open(int mount) { return FileDescriptor(::open_by_handle_at(mount, Get(), O_RDONLY | O_CLOEXEC)); }
  std::string bytes() { return {reinterpret_cast<const char*>(Get()->f_handle), Get()->handle_bytes}; }

 private:
  file_handle* Get() { return reinterpret_cast<file_handle*>(buffer_); }

  alignas(file_handle) char buffer_[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  bool ok_ = false;
};

class FileHandleTest : public testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    if (::geteuid() != 0) GTEST_SKIP() << "only root may open by handle";
    mount_ = std::make_unique<MountedTree>(SampleTree());
    ASSERT_TRUE(mount_->status().ok()) << mount_->status();
    directory_ = FileDescriptor(::open(mount_->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  // Has the kernel forget the inodes that are not in use.
  static bool DropInodes() { return static_cast<bool>(std::ofstream("/proc/sys/vm/drop_caches") << "2" << std::flush); }

  static std::string ReadAll(const FileDescriptor& file, std::size_t size) {
    std::string bytes(size, '\0');
    const ssize_t count = ::pread(file.get(), bytes.data(), size, 0);
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
  }

  std::unique_ptr<MountedTree> mount_;
  FileDescriptor directory_;
};

TEST_F(FileHandleTest, OpensWhatTheKernelHasForgotten) {
  struct Node {
    Handle handle;
    ino_t inode = 0;
  };
  std::vector<Node> nodes;
  for (const auto& entry : fs::recursive_directory_iterator(mount_->path())) {
    struct stat attributes {};
    ASSERT_EQ(::stat(entry.path().c_str(), &attributes), 0);
    nodes.push_back({Handle(entry.path()), attributes.st_ino});
    ASSERT_TRUE(nodes.back().handle.ok()) << std::strerror(errno);
  }
  ASSERT_GT(nodes.size(), std::size_t{kManyFiles});
  if (!DropInodes()) GTEST_SKIP() << "/proc/sys/vm/drop_caches cannot be written here";
  for (Node& node : nodes) {
    const FileDescriptor file = node.handle.Open(directory_.get());
    ASSERT_TRUE(file.valid()) << std::strerror(errno);
    struct stat attributes {};
    EXPECT_EQ(::fstat(file.get(), &attributes), 0);
    EXPECT_EQ(attributes.st_ino, node.inode);
  }
}

TEST_F(FileHandleTest, ADirectoryKnowsTheOneAbove) {
  Handle handle(mount_->PathOf("model-a/inner"));
  DropInodes();
  const FileDescriptor inner = handle.Open(directory_.get());
  ASSERT_TRUE(inner.valid()) << std::strerror(errno);
  const FileDescriptor small(::openat(inner.get(), "small.bin", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadAll(small, 100), "small");
  const FileDescriptor above(::openat(inner.get(), "../model.safetensors", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadAll(above, 100), PatternBytes(kLargeSize, 1).substr(0, 100));
  const FileDescriptor top(::openat(inner.get(), "../../config.json", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ReadAll(top, 100), kConfigText);
}

TEST_F(FileHandleTest, TheStatusDirectoryHasThemToo) {
  Handle directory(mount_->PathOf(".shardfs"));
  Handle file(mount_->PathOf(".shardfs/status.json"));
  ASSERT_TRUE(directory.ok() && file.ok()) << std::strerror(errno);
  for (int round = 0; round < 3; ++round) {
    DropInodes();
    const FileDescriptor opened = directory.Open(directory_.get());
    ASSERT_TRUE(opened.valid()) << std::strerror(errno);
    EXPECT_EQ(::faccessat(opened.get(), "metrics", R_OK, 0), 0) << std::strerror(errno);
    EXPECT_EQ(::faccessat(opened.get(), "../config.json", R_OK, 0), 0) << std::strerror(errno);
    const FileDescriptor text = file.Open(directory_.get());
    ASSERT_TRUE(text.valid()) << std::strerror(errno);
    struct stat attributes {};
    ASSERT_EQ(::fstat(text.get(), &attributes), 0);
    const std::string read = ReadAll(text, static_cast<std::size_t>(attributes.st_size) + 100);
    EXPECT_EQ(read.size(), static_cast<std::size_t>(attributes.st_size));
    EXPECT_TRUE(read.starts_with("{\n") && read.ends_with("}\n")) << read;
  }
}

// The same view has the same handles in its next mount; another view has others, and does not open these.
TEST_F(FileHandleTest, AreThoseOfTheView) {
  Handle handle(mount_->PathOf("model-a/model.safetensors"));
  MountedTree same(SampleTree());
  ASSERT_TRUE(same.status().ok()) << same.status();
  EXPECT_EQ(Handle(same.PathOf("model-a/model.safetensors")).bytes(), handle.bytes());
  FuseOptions options;
  options.attributes.time_ns = 5;
  MountedTree other(SampleTree(), options);
  ASSERT_TRUE(other.status().ok()) << other.status();
  const FileDescriptor directory(::open(other.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_FALSE(handle.Open(directory.get()).valid());
  EXPECT_EQ(errno, ESTALE);
}

}  // namespace
}  // namespace shardfs
