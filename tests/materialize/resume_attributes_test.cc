// Modes and owners where a run finds files of an earlier one.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <ostream>
#include <string>

#include "materialize/resume_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

using ResumeAttributesTest = ResumeTest;

struct Attributes {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  friend bool operator==(const Attributes&, const Attributes&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Attributes& a) {
    return out << std::oct << a.mode << std::dec << " " << a.uid << ":" << a.gid;
  }
};

Attributes AttributesOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return {info.st_mode & 07777, info.st_uid, info.st_gid};
}

TEST_F(ResumeAttributesTest, ACompleteRunGetsTheModesAskedFor) {
  ASSERT_TRUE(Run().ok());
  options_.file_mode = 0440;
  options_.directory_mode = 0550;
  const auto summary = Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->kept_files, 3u);
  for (const char* name : {"a", "d/b", "d/c", ".shardfs-manifest.json", ".shardfs-complete"}) {
    EXPECT_EQ(AttributesOf(out_ + "/" + name).mode, 0440u) << name;
  }
  for (const char* name : {"", "d"}) EXPECT_EQ(AttributesOf(out_ + "/" + name).mode, 0550u) << name;
  ExpectComplete();
  for (const char* name : {"", "d"}) fs::permissions(out_ + "/" + name, fs::perms(0750));
}

TEST_F(ResumeAttributesTest, FilesThatAreKeptGetTheModeAskedFor) {
  ASSERT_FALSE(RunThatFails().ok());
  options_.file_mode = 0400;
  ASSERT_TRUE(Run().ok());
  for (const char* name : {"a", "d/b"}) EXPECT_EQ(AttributesOf(out_ + "/" + name).mode, 0400u) << name;
}

TEST_F(ResumeAttributesTest, AllFilesAreOfOneOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs the privilege to give files away";
  const auto expect_owner = [this](uid_t uid, gid_t gid) {
    for (const char* name : {"d", "a", "d/b", "d/c"}) {
      const Attributes found = AttributesOf(out_ + "/" + name);
      EXPECT_EQ(found, (Attributes{found.mode, uid, gid})) << name;
    }
  };
  options_.uid = 1001;
  options_.gid = 1002;
  ASSERT_FALSE(RunThatFails().ok());
  options_.uid = 1003;
  ASSERT_FALSE(RunThatFails().ok());
  ASSERT_TRUE(Run().ok());
  expect_owner(1003, 1002);
  for (const char* name : {"", ".shardfs-manifest.json", ".shardfs-complete"}) {
    EXPECT_EQ(AttributesOf(out_ + "/" + name).uid, 1003u) << name;
  }

  options_.uid = 1004;  // of a complete run
  ASSERT_TRUE(Run().ok());
  expect_owner(1004, 1002);
  for (const char* name : {"", ".shardfs-manifest.json", ".shardfs-complete"}) {
    EXPECT_EQ(AttributesOf(out_ + "/" + name).uid, 1004u) << name;
  }
  options_.uid.reset();
  options_.gid.reset();
  ASSERT_TRUE(Run().ok());
  expect_owner(1004, 1002);

  fs::remove(out_ + "/d/b");  // what is new decides, where nothing else does
  ASSERT_TRUE(Run().ok());
  expect_owner(::geteuid(), ::getegid());
}

// Where none is asked for, all of it becomes the caller's, the directory and what was complete before included.
TEST_F(ResumeAttributesTest, WhatIsGoneOnWithBecomesTheCallers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs the privilege to give files away";
  for (const bool all_written : {false, true}) {
    fs::remove_all(out_);
    options_.uid = 1001;
    options_.gid = 1002;
    if (all_written) {  // and fails behind the last file
      const std::string in_the_way = out_ + "/.shardfs-manifest.json.tmp";
      EXPECT_FALSE(Run([&](std::uint64_t) {
                     fs::create_directories(in_the_way);
                     return Status::Ok();
                   }).ok());
      fs::remove(in_the_way);
    } else {
      EXPECT_FALSE(RunThatFails().ok());
    }
    options_.uid.reset();
    options_.gid.reset();
    ASSERT_TRUE(Run().ok());
    for (const char* name : {"", "/a", "/d", "/d/b", "/d/c", "/.shardfs-manifest.json", "/.shardfs-complete"}) {
      const Attributes found = AttributesOf(out_ + name);
      EXPECT_EQ(found, (Attributes{found.mode, ::geteuid(), ::getegid()})) << name;
    }
  }
}

TEST_F(ResumeAttributesTest, ModesAreAsAskedForInTheEnd) {
  options_.directory_mode = 0550;
  options_.file_mode = 0440;
  ASSERT_FALSE(RunThatFails().ok());
  ASSERT_TRUE(Run().ok());
  for (const auto& [path, mode] : std::map<std::string, mode_t>{
           {"", 0550}, {"d", 0550}, {"a", 0440}, {"d/b", 0440}, {".shardfs-manifest.json", 0440}}) {
    struct stat info {};
    ASSERT_EQ(::stat((out_ + "/" + path).c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_mode & 07777, mode) << path;
  }
  fs::permissions(out_, fs::perms(0750));
  fs::permissions(out_ + "/d", fs::perms(0750));
}

}  // namespace
}  // namespace shardfs
