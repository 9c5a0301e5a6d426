#include "shardfs/base/file_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace shardfs {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

FileDescriptor OpenNull() { return FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(FileDescriptorTest, ClosesWhenDestroyed) {
  int number = -1;
  {
    const FileDescriptor fd = OpenNull();
    number = fd.get();
    ASSERT_TRUE(fd.valid());
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(FileDescriptorTest, MoveAssignmentClosesTheOldAndTakesTheNew) {
  FileDescriptor target = OpenNull();
  FileDescriptor origin = OpenNull();
  const int old_number = target.get();
  const int new_number = origin.get();
  target = std::move(origin);
  EXPECT_FALSE(IsOpen(old_number));
  EXPECT_EQ(target.get(), new_number);
  EXPECT_TRUE(IsOpen(new_number));
  EXPECT_FALSE(origin.valid());  // NOLINT: a moved-from descriptor is none, by contract
}

TEST(FileDescriptorTest, ReleaseLeavesItOpen) {
  FileDescriptor fd = OpenNull();
  const int number = fd.release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(number));
  ::close(number);
}

}  // namespace
}  // namespace shardfs
