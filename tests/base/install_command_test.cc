#include "base/install_command.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace shardfs {
namespace {

namespace fs = std::filesystem;

class InstallCommandTest : public ::testing::Test {
 protected:
  InstallCommandTest() {
    std::string name = (fs::temp_directory_path() / "shardfs-test-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) root_ = name;
    fs::create_directories(root_ + "/etc");
    fs::create_directories(root_ + "/usr/bin");
    fs::create_directories(root_ + "/usr/lib");
  }
  ~InstallCommandTest() override { fs::remove_all(root_); }

  void Put(const std::string& path, const std::string& text, mode_t mode = 0644) {
    std::ofstream(root_ + path) << text;
    ::chmod((root_ + path).c_str(), mode);
  }

  // Of a machine with this os-release and these programs in /usr/bin.
  std::string Of(const std::string& os_release, const std::vector<std::string>& programs) {
    fs::remove_all(root_ + "/usr/bin");
    fs::create_directories(root_ + "/usr/bin");
    Put("/etc/os-release", os_release);
    for (const std::string& program : programs) Put("/usr/bin/" + program, "", 0755);
    return InstallCommand("fuse3", root_);
  }

  std::string root_;
};

TEST_F(InstallCommandTest, TheDistributionSaysWhich) {
  EXPECT_EQ(Of("NAME=\"Debian GNU/Linux\"\nID=debian\n", {"apt-get"}), "apt-get install fuse3");
  EXPECT_EQ(Of("ID=ubuntu\nID_LIKE=debian\n", {"apt-get"}), "apt-get install fuse3");
  EXPECT_EQ(Of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", {"apt-get"}), "apt-get install fuse3");
  EXPECT_EQ(Of("NAME=\"openEuler\"\nID=\"openEuler\"\n", {"dnf", "yum"}), "dnf install fuse3");
  EXPECT_EQ(Of("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\n", {"yum"}), "yum install fuse3");
  EXPECT_EQ(Of("ID='opensuse-leap'\nID_LIKE='suse opensuse'\r\n", {"zypper"}), "zypper install fuse3");
  EXPECT_EQ(Of("ID=sles\n", {"zypper"}), "zypper install fuse3");
}

TEST_F(InstallCommandTest, NoOtherDistributionsProgramIsNamed) {
  EXPECT_EQ(Of("ID=debian\n", {"dnf"}), "apt-get install fuse3");
  EXPECT_EQ(Of("ID=openEuler\n", {"apt-get"}), "dnf install fuse3");
}

// Kylin and UOS are made with both.
TEST_F(InstallCommandTest, TheProgramsSayWhichWhereTheDistributionDoesNot) {
  EXPECT_EQ(Of("ID=kylin\n", {"yum"}), "yum install fuse3");
  EXPECT_EQ(Of("ID=kylin\n", {"dnf", "yum"}), "dnf install fuse3");
  EXPECT_EQ(Of("ID=kylin\nID_LIKE=debian\n", {"apt-get"}), "apt-get install fuse3");
  EXPECT_EQ(Of("", {"zypper"}), "zypper install fuse3");
}

TEST_F(InstallCommandTest, NothingIsGuessedWhereNothingIsThere) {
  EXPECT_EQ(Of("ID=alpine\n", {}), "install the package fuse3");
  fs::remove(root_ + "/etc/os-release");
  EXPECT_EQ(InstallCommand("fuse3", root_), "install the package fuse3");
}

TEST_F(InstallCommandTest, TheOtherPlaceOfOsRelease) {
  Put("/usr/lib/os-release", "ID=fedora\n");
  EXPECT_EQ(InstallCommand("fuse3", root_), "dnf install fuse3");
}

}  // namespace
}  // namespace shardfs
