#include "service/service_notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "cli/notify_socket.h"
#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"
#include "tools/processes.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ServiceNotifyTest : public testing::Test {
 protected:
  ~ServiceNotifyTest() override { ::unsetenv("NOTIFY_SOCKET"); }
  void SetSocket(const std::string& name) { ::setenv("NOTIFY_SOCKET", name.c_str(), 1); }

  MountableDirectory directory_;
  std::string path_ = directory_.MakeDirectory("run") + "/notify";
};

TEST_F(ServiceNotifyTest, SaysNothingWhenNobodyAsks) {
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(NotifyService("READY=1").ok());
  SetSocket("");
  EXPECT_TRUE(NotifyService("READY=1").ok());
}

TEST_F(ServiceNotifyTest, SendsOneDatagramToAPath) {
  const NotifySocket manager(path_);
  ASSERT_TRUE(manager.bound());
  SetSocket(path_);
  ASSERT_TRUE(NotifyService("READY=1\nSTATUS=serving").ok());
  EXPECT_EQ(manager.Receive(kHang), "READY=1\nSTATUS=serving");
  EXPECT_THAT(manager.Receive(milliseconds(0)), IsEmpty());
}

TEST_F(ServiceNotifyTest, SendsToAnAbstractName) {
  const std::string name = "@shardfs-test-" + std::to_string(::getpid());
  const NotifySocket manager(name);
  ASSERT_TRUE(manager.bound());
  SetSocket(name);
  ASSERT_TRUE(NotifyService("STOPPING=1").ok());
  EXPECT_EQ(manager.Receive(kHang), "STOPPING=1");
}

TEST_F(ServiceNotifyTest, SaysWhatIsWrongWithTheSocket) {
  SetSocket("relative");
  EXPECT_THAT(std::string(NotifyService("READY=1").message()), HasSubstr("NOTIFY_SOCKET is 'relative'"));
  SetSocket("/" + std::string(200, 'x'));
  EXPECT_EQ(NotifyService("READY=1").code(), StatusCode::kInvalidArgument);
  SetSocket(path_);  // nobody listens
  EXPECT_THAT(std::string(NotifyService("READY=1").message()), HasSubstr("cannot notify the service manager"));
}

TEST_F(ServiceNotifyTest, TheForegroundMountSaysWhenItIsReadyAndWhenItStops) {
  SHARDFS_REQUIRE_FUSE();
  const NotifySocket manager(path_);
  ASSERT_TRUE(manager.bound());
  SetSocket(path_);
  const std::string point = directory_.MakeDirectory("mount");
  ShardfsProcess process(GoldenArguments("mount", {point, "--foreground"}));

  EXPECT_THAT(manager.Receive(kHang), StartsWith("STATUS=reading the headers of "));
  const std::string ready = manager.ReceiveWith("READY=1");
  EXPECT_THAT(ready, AllOf(HasSubstr("\nMAINPID="), HasSubstr("\nSTATUS="), HasSubstr(point)));
  EXPECT_TRUE(std::filesystem::exists(point + "/config.json"));
  process.Signal(SIGTERM);
  EXPECT_THAT(manager.ReceiveWith("STOPPING=1"), HasSubstr("STATUS=unmounting " + point));
  EXPECT_EQ(process.Wait().exit_code, 0);
}

TEST_F(ServiceNotifyTest, TheBackgroundMountLeavesItToTheServiceThatStartedIt) {
  SHARDFS_REQUIRE_FUSE();
  const NotifySocket manager(path_);
  ASSERT_TRUE(manager.bound());
  SetSocket(path_);
  const std::string point = directory_.MakeDirectory("mount");
  ASSERT_EQ(RunShardfs(GoldenArguments("mount", {point})).exit_code, 0);
  EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
  ASSERT_TRUE(WaitUntil([&] { return ProcessesNaming(point).empty(); }));  // so that the daemon has said all it will
  EXPECT_THAT(manager.Receive(milliseconds(0)), IsEmpty());
}

TEST_F(ServiceNotifyTest, ARefusedMountIsNeverReady) {
  const NotifySocket manager(path_);
  ASSERT_TRUE(manager.bound());
  SetSocket(path_);
  const std::string point = directory_.MakeDirectory("mount");
  const ProgramResult result = RunShardfs({"mount", point + "/none", point, "--foreground"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  for (std::string datagram = manager.Receive(milliseconds(0)); !datagram.empty();
       datagram = manager.Receive(milliseconds(0))) {
    EXPECT_THAT(datagram, testing::Not(HasSubstr("READY")));
  }
}

}  // namespace
}  // namespace shardfs
