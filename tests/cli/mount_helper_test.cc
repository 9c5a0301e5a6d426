#include "cli/mount_helper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <string>

#include "cli/commands.h"
#include "cli/run_shardfs.h"
#include "layout/mindie/config/mindie_specs.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MountHelperTest : public testing::Test {
 protected:
  Result<MountHelperCall> Parse(std::vector<std::string> arguments) const {
    return ParseMountHelperCall(arguments, *mount_.app);
  }
  // Of `shardfs mount`, between its name and "--".
  std::vector<std::string> Options(const std::string& options) const {
    const auto call = Parse({"/source", "/point", "-o", options});
    EXPECT_TRUE(call.ok()) << call.status().message();
    if (!call.ok()) return {};
    return {call->arguments.begin() + 1, std::find(call->arguments.begin(), call->arguments.end(), "--")};
  }
  void ExpectRefused(const std::string& options, const std::string& named) const {
    const auto call = Parse({"/source", "/point", "-o", options});
    ASSERT_FALSE(call.ok()) << options;
    EXPECT_EQ(call.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(call.status().message()), HasSubstr(named));
  }

  CLI::App program_;
  Command mount_ = AddMountCommand(program_);
};

TEST_F(MountHelperTest, IsKnownByItsName) {
  EXPECT_TRUE(IsMountHelper("/sbin/mount.shardfs"));
  EXPECT_TRUE(IsMountHelper("mount.shardfs"));
  EXPECT_TRUE(IsMountHelper("/sbin/mount.fuse.shardfs"));
  EXPECT_FALSE(IsMountHelper("/usr/bin/shardfs"));
  EXPECT_FALSE(IsMountHelper("/usr/bin/xmount.shardfs"));
}

TEST_F(MountHelperTest, TurnsMountsCallIntoShardfsMount) {
  const auto call = Parse({"/source", "/point", "-n", "-o", "rw,dp=2,tp=8,moe_tp=4,moe-ep=4,allow_other"});
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_THAT(call->arguments, ElementsAre("mount", "-O", "dp=2", "-O", "tp=8", "-O", "moe_tp=4", "-O", "moe-ep=4",
                                           "--allow-other", "--", "/source", "/point"));
  EXPECT_FALSE(call->only_check);
  EXPECT_FALSE(call->verbose);
}

TEST_F(MountHelperTest, TakesFlagsBeforeAndAfterThePlaces) {
  const auto call = Parse({"-f", "-o", "dp=2", "/source", "-v", "/point", "-t", "shardfs", "-o", "tp=2"});
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_THAT(call->arguments, ElementsAre("mount", "-O", "dp=2", "-O", "tp=2", "--", "/source", "/point"));
  EXPECT_TRUE(call->only_check);
  EXPECT_TRUE(call->verbose);
}

TEST_F(MountHelperTest, KeepsPlacesThatLookLikeOptions) {
  const auto call = Parse({"--", "-source", "-point"});
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_THAT(call->arguments, ElementsAre("mount", "--", "-source", "-point"));
}

TEST_F(MountHelperTest, PassesOverWhatMountItselfActsUpon) {
  EXPECT_THAT(Options("rw,noauto,nofail,_netdev,user,users,user=joe,defaults,noatime,x-systemd.automount,"
                      "x-systemd.requires-mounts-for=/models,X-mount.mkdir,comment=weights,nosuid,nodev"),
              ElementsAre());
}

TEST_F(MountHelperTest, EveryOptionOfMountIsThereWithUnderscores) {
  std::size_t known = 0;
  for (const CLI::Option* option : mount_.app->get_options()) {
    for (std::string name : option->get_lnames()) {
      if (name == "help" || name == "foreground") continue;
      std::replace(name.begin(), name.end(), '-', '_');
      const std::vector<std::string> arguments = Options(option->get_items_expected_min() > 0 ? name + "=1" : name);
      ASSERT_FALSE(arguments.empty()) << name;
      EXPECT_EQ(arguments.size(), arguments.front() == "-O" ? 2u : 1u) << name;
      ++known;
    }
  }
  EXPECT_GT(known, 15u);
}

TEST_F(MountHelperTest, EveryOptionOfTheLayoutIsThereUnderItsOwnName) {
  for (const OptionSpec& spec : MindieSpecs()) {
    const std::string name(spec.name);
    EXPECT_THAT(Options(name + "=1"), ElementsAre("-O", name + "=1"));
  }
  EXPECT_THAT(Options("fidelity=loader,ep_level=2"), ElementsAre("-O", "fidelity=loader", "-O", "ep_level=2"));
}

TEST_F(MountHelperTest, TheLayoutTakesTheOptionsThatItNames) {
  for (const OptionSpec& spec : kMindieOwn) {
    const std::string name(spec.name);
    const ProgramResult result = RunShardfs(GoldenArguments("plan", {"-O", name + "=frobnicate"}));
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("-O " + name + " is 'frobnicate', and must be "));
  }
}

TEST_F(MountHelperTest, ASwitchMayHaveAValue) {
  EXPECT_THAT(Options("mtp"), ElementsAre("--mtp"));
  EXPECT_THAT(Options("mtp=1"), ElementsAre("-O", "mtp=1"));
  EXPECT_THAT(Options("mtp=false"), ElementsAre("-O", "mtp=false"));
  const ProgramResult result = RunShardfs({"plan", GoldenCase() + "/source", "--tp", "2", "-O", "mtp=garbage"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("mtp is 'garbage', and must be true or false"));
}

TEST_F(MountHelperTest, OfTwoTheLaterCounts) {
  EXPECT_THAT(Options("dp=2,tp=2,dp=4"), ElementsAre("-O", "tp=2", "-O", "dp=4"));
  EXPECT_THAT(Options("mtp,no_mtp"), ElementsAre("--no-mtp"));
  EXPECT_THAT(Options("mtp=1,no_mtp"), ElementsAre("--no-mtp"));
  EXPECT_THAT(Options("no_mtp,mtp=1"), ElementsAre("-O", "mtp=1"));
  EXPECT_THAT(Options("moe_tp=2,moe-tp=4"), ElementsAre("-O", "moe-tp=4"));
  EXPECT_THAT(Options("fidelity=loader,fidelity=sharder"), ElementsAre("-O", "fidelity=sharder"));
}

TEST_F(MountHelperTest, QuotesAndBackslashesKeepCommas) {
  EXPECT_THAT(Options(R"(log_file="/var/log/a,b",dp=2)"), ElementsAre("--log-file=/var/log/a,b", "-O", "dp=2"));
  EXPECT_THAT(Options(R"(log_file=/var/log/a\,b,,dp=2,)"), ElementsAre("--log-file=/var/log/a,b", "-O", "dp=2"));
}

// mount.fuse3 calls the program so for a file system of type fuse.shardfs.
TEST_F(MountHelperTest, KnowsAHelpersCallByItsWords) {
  EXPECT_TRUE(IsHelperCall({"/models/R1", "/mnt/r1", "-o", "dp=2"}, program_));
  EXPECT_FALSE(IsHelperCall({"mount", "/models/R1", "-o", "dp=2"}, program_)) << "a subcommand";
  EXPECT_FALSE(IsHelperCall({"/models/R1", "/mnt/r1"}, program_));
  EXPECT_FALSE(IsHelperCall({"/models/R1", "-o", "dp=2"}, program_));
  EXPECT_FALSE(IsHelperCall({"--help"}, program_));
  EXPECT_FALSE(IsHelperCall({}, program_));
}

TEST_F(MountHelperTest, LabelsOfSelinuxKeepTheirCommas) {
  EXPECT_THAT(Options(R"(context="system_u:object_r:nfs_t:s0:c1,c2",dp=2)"),
              ElementsAre("--context=system_u:object_r:nfs_t:s0:c1,c2", "-O", "dp=2"));
  EXPECT_THAT(Options(R"(fscontext="a:b:c",defcontext="a:b:d",rootcontext="a:b:e")"),
              ElementsAre("--fscontext=a:b:c", "--defcontext=a:b:d", "--rootcontext=a:b:e"));
  ExpectRefused("context=", "context needs a value");
}

TEST_F(MountHelperTest, NamesWhatWasProbablyMeant) {
  ExpectRefused("moetp=2", "there is no mount option 'moetp=2'; did you mean moe_tp?");
  ExpectRefused("fidelty=loader", "did you mean fidelity?");
  ExpectRefused("alow_other", "did you mean allow_other?");
  ExpectRefused("logfile=/x", "did you mean log_file?");
}

TEST_F(MountHelperTest, RefusesWhatItDoesNotHave) {
  ExpectRefused("dp=2,frobnicate=3", "'frobnicate=3'");
  ExpectRefused("foreground", "'foreground'");
  ExpectRefused("help", "'help'");
  ExpectRefused("remount,dp=2", "cannot be changed; unmount it");
  ExpectRefused("dp", "dp needs a value");
  ExpectRefused("dp=", "dp needs a value");
  ExpectRefused("fidelity", "fidelity needs a value");
  ExpectRefused("fidelity=", "fidelity needs a value");
  ExpectRefused("mtp=", "mtp needs a value");
  ExpectRefused("no_mtp=1", "no_mtp takes no value, and is given '1'");
  ExpectRefused("allow_other=", "allow_other takes no value");
}

TEST_F(MountHelperTest, SloppyPassesOverTheUnknown) {
  const auto call = Parse({"/source", "/point", "-s", "-o", "frobnicate=3,dp=2"});
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_THAT(call->arguments, ElementsAre("mount", "-O", "dp=2", "--", "/source", "/point"));
}

TEST_F(MountHelperTest, RefusesOtherCalls) {
  EXPECT_THAT(std::string(Parse({"/source"}).status().message()), HasSubstr("got 1 of them"));
  EXPECT_THAT(std::string(Parse({"/source", "/point", "/more"}).status().message()), HasSubstr("got 3 of them"));
  EXPECT_THAT(std::string(Parse({"/source", "/point", "-w"}).status().message()), HasSubstr("no option -w"));
  EXPECT_THAT(std::string(Parse({"/source", "/point", "-o"}).status().message()),
              HasSubstr("-o of mount.shardfs needs"));
  EXPECT_THAT(std::string(Parse({"/source", "/point", "-N", "/proc/1/ns/mnt"}).status().message()),
              HasSubstr("namespace /proc/1/ns/mnt"));
  EXPECT_TRUE(Parse({"-h"})->help);
}

TEST_F(MountHelperTest, ExitCodesAreThoseOfMount) {
  EXPECT_EQ(MountHelperExitCode(0), 0);
  EXPECT_EQ(MountHelperExitCode(1), 32);
  EXPECT_EQ(MountHelperExitCode(2), 1);
  EXPECT_EQ(MountHelperExitCode(3), 32);
}

}  // namespace
}  // namespace shardfs
