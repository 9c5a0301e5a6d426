#include "materialize/destination_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "materialize/temporary_directory.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DestinationLockTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<DestinationLock>> Take() const { return DestinationLock::Take(directory_.path()); }

  TemporaryDirectory directory_;
};

TEST_F(DestinationLockTest, ManyMayLookAndOneMayWrite) {
  auto first = Take();
  {
    const auto second = Take();
    ASSERT_TRUE(first.ok() && second.ok());
    const Status refused = (*first)->MakeExclusive();  // the other goes on looking for longer than it waits
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("is checking"));
  }
  ASSERT_TRUE((*first)->MakeExclusive().ok());
  const auto third = Take();
  EXPECT_EQ(third.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(third.status().message()), HasSubstr("another run is writing there"));
  first->reset();
  EXPECT_TRUE(Take().ok());
}

TEST_F(DestinationLockTest, OfSeveralThatWantToWriteOneGetsIt) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::shared_ptr<DestinationLock>> locks;
    for (int i = 0; i < 4; ++i) locks.push_back(Take().value());
    std::atomic<int> winners{0};
    {
      std::vector<std::jthread> runs;
      for (const auto& lock : locks) runs.emplace_back([&] { winners += lock->MakeExclusive().ok() ? 1 : 0; });
    }
    EXPECT_EQ(winners, 1);
  }
}

TEST_F(DestinationLockTest, KnowsWhetherThePathStillLeadsThere) {
  const std::string path = directory_ / "d";
  fs::create_directory(path);
  const auto lock = DestinationLock::Take(path);
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE((*lock)->IsAt(path));
  fs::rename(path, directory_ / "moved");
  EXPECT_FALSE((*lock)->IsAt(path));
  fs::create_directory(path);
  EXPECT_FALSE((*lock)->IsAt(path));
  EXPECT_EQ(DestinationLock::Take(directory_ / "none").status().code(), StatusCode::kNotFound);
}

// As a run on another machine that shares the directory by NFS holds them.
TEST_F(DestinationLockTest, AJournalThatAnotherMachineHoldsIsSeen) {
  for (const char* name : {kJournalName, kJournalDraftName}) {
    const std::string path = directory_ / name;
    WriteFile(path, "");
    int held[2];
    int done[2];
    ASSERT_EQ(::pipe(held), 0);
    ASSERT_EQ(::pipe(done), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      struct flock range {};
      range.l_type = F_WRLCK;
      const int fd = ::open(path.c_str(), O_RDWR);
      char byte = ::fcntl(fd, F_SETLK, &range) == 0 ? 'y' : 'n';
      ::close(done[1]);
      if (::write(held[1], &byte, 1) == 1 && ::read(done[0], &byte, 1) == 0) ::_exit(0);
      ::_exit(1);
    }
    char byte = 0;
    ASSERT_EQ(::read(held[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
    EXPECT_THAT(std::string(Take().status().message()), HasSubstr("another run is writing there"));
    for (const int fd : {held[0], held[1], done[0], done[1]}) ::close(fd);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(Take().ok());
    fs::remove(path);
  }
}

}  // namespace
}  // namespace shardfs
