#include "base/pass_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace shardfs {
namespace {

class PassDescriptorTest : public ::testing::Test {
 protected:
  PassDescriptorTest() {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    a_ = FileDescriptor(ends[0]);
    b_ = FileDescriptor(ends[1]);
  }
  FileDescriptor a_, b_;
};

TEST_F(PassDescriptorTest, TheSameFileArrives) {
  const FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(SendDescriptor(a_, file, 'x'));
  const auto received = ReceiveDescriptor(b_, 0);
  ASSERT_TRUE(received && received->valid());
  EXPECT_NE(received->get(), file.get());
  EXPECT_EQ(::fcntl(received->get(), F_GETFD), FD_CLOEXEC);
  struct stat sent {}, got {};
  ASSERT_EQ(::fstat(file.get(), &sent), 0);
  ASSERT_EQ(::fstat(received->get(), &got), 0);
  EXPECT_EQ(got.st_rdev, sent.st_rdev);
}

TEST_F(PassDescriptorTest, AMessageWithoutAFileAndAClosedSocket) {
  ASSERT_EQ(::write(a_.get(), "x", 1), 1);
  auto received = ReceiveDescriptor(b_, 0);
  EXPECT_TRUE(received && !received->valid());
  a_ = FileDescriptor();
  received = ReceiveDescriptor(b_, 0);
  EXPECT_TRUE(received && !received->valid());
}

TEST_F(PassDescriptorTest, NothingToReceiveIsAnError) {
  EXPECT_FALSE(ReceiveDescriptor(b_, MSG_DONTWAIT));
  EXPECT_EQ(errno, EAGAIN);
}

}  // namespace
}  // namespace shardfs
