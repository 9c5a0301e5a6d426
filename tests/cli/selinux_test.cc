#include "service/selinux.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "fuse/fuse_available.h"
#include "fuse/sample_tree.h"
#include "fuse/temporary_mount.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SelinuxLabels kLabels = {{"context", "system_u:object_r:nfs_t:s0:c1,c2"}};

class SelinuxTest : public testing::Test {
 protected:
  std::string Filesystems(const char* text) const {
    std::ofstream(directory_ / "filesystems") << text;
    return directory_ / "filesystems";
  }
  TemporaryDirectory directory_;
};

TEST_F(SelinuxTest, LabelsAreQuotedForTheKernel) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give labels";
  const auto options = SelinuxMountOptions(kLabels, Filesystems("nodev\tselinuxfs\nnodev\ttmpfs\n"));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(*options, ElementsAre("context=\"system_u:object_r:nfs_t:s0:c1,c2\""));
}

TEST_F(SelinuxTest, WithoutSelinuxThereAreNoneAndThatIsSaid) {
  testing::internal::CaptureStderr();
  const auto options = SelinuxMountOptions(kLabels, Filesystems("nodev\ttmpfs\n"));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(*options, IsEmpty());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("SELinux is not enabled in this kernel"));
}

TEST_F(SelinuxTest, ALabelCannotEndItsQuotes) {
  const auto options = SelinuxMountOptions({{"context", "a\",allow_other,b=\""}}, Filesystems("selinuxfs\n"));
  EXPECT_EQ(options.status().code(), StatusCode::kInvalidArgument);
}

// Where the kernel has no SELinux, its refusal shows that libfuse hands the option on as it is.
TEST_F(SelinuxTest, TheKernelGetsTheOption) {
  SHARDFS_REQUIRE_FUSE();
  std::ifstream known("/proc/filesystems");
  const std::string text{std::istreambuf_iterator<char>(known), std::istreambuf_iterator<char>()};
  if (::geteuid() != 0 || text.find("selinuxfs") != std::string::npos) GTEST_SKIP() << "needs root, and no SELinux";
  const MountableDirectory directory;
  FuseOptions options;
  options.kernel_options = {"context=\"system_u:object_r:nfs_t:s0:c1,c2\""};
  const auto session = FuseSession::Create(SampleTree(), options);
  ASSERT_TRUE(session.ok()) << session.status();
  const Status mounted = (*session)->Mount(directory.MakeDirectory("mount"));
  EXPECT_FALSE(mounted.ok());
  EXPECT_THAT(std::string(mounted.message()), HasSubstr("Invalid argument"));
}

}  // namespace
}  // namespace shardfs
