// Several materialize that are started at once into one directory, as two tasks of a job on one node are: one of them
// writes, and what is there afterwards is one whole tree. No time decides what is expected.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "materialize/journal.h"
#include "materialize/reopen.h"
#include "materialize/temporary_directory.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

int Rounds() {
  const char* wanted = std::getenv("SHARDFS_STARTS");
  return wanted == nullptr ? 24 : std::max(1, std::atoi(wanted));
}

class MaterializeStartsTest : public ::testing::Test {
 protected:
  // `level` makes two views of one source whose files have the same names.
  std::vector<std::string> Command(const std::string& command, int level, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments =
        GoldenArguments(command, {out_, "-O", "fidelity=sharder", "-O", "ep_level=" + std::to_string(level)});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  ProgramResult Materialize(int level) const { return RunShardfs(Command("materialize", level, {})); }

  // Makes the complete tree one that was killed before it had its last file.
  void MakePartial() const {
    const FileDescriptor root(::open(out_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto manifest = Manifest::Read(root.get(), out_);
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    fs::remove(out_ + "/" + manifest->files.back().path);
    ASSERT_TRUE(Reopen(root.get(), out_, ContentsOf(*std::move(manifest))).ok());
  }

  void Prepare(const std::string& state) const {
    fs::remove_all(out_);
    if (state == "empty") fs::create_directory(out_);
    if (state == "absent" || state == "empty") return;
    ASSERT_EQ(Materialize(1).exit_code, 0);
    if (state == "partial") MakePartial();
  }

  void ExpectOneWholeTree() const {
    std::set<std::string> own;
    for (const auto& entry : fs::directory_iterator(out_)) {
      const std::string name = entry.path().filename();
      if (name.starts_with(".shardfs")) own.insert(name);
    }
    EXPECT_EQ(own, (std::set<std::string>{".shardfs-complete", ".shardfs-manifest.json"}));
    const ProgramResult whole = RunShardfs({"verify", out_});
    EXPECT_EQ(whole.exit_code, 0) << whole.out << whole.err;
    const bool second = ReadFile(out_ + "/.shardfs-manifest.json").find(R"("ep_level": "2")") != std::string::npos;
    const ProgramResult view = RunShardfs(Command("verify", second ? 2 : 1, {}));
    EXPECT_EQ(view.exit_code, 0) << view.out << view.err;
    const ProgramResult again = Materialize(second ? 2 : 1);
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("were there"));
    struct stat root {};
    struct stat file {};
    ASSERT_EQ(::stat(out_.c_str(), &root), 0);
    ASSERT_EQ(::stat((out_ + "/config.json").c_str(), &file), 0);
    EXPECT_EQ(root.st_mtim.tv_sec, file.st_mtim.tv_sec);
  }

  TemporaryDirectory root_;
  const std::string out_ = root_ / "out";
};

TEST_F(MaterializeStartsTest, OfSeveralAtOnceOneWrites) {
  int refused = 0;
  int done = 0;
  for (int round = 0; round < Rounds(); ++round) {
    const std::string state =
        std::vector<std::string>{"absent", "empty", "complete", "partial"}[static_cast<std::size_t>(round % 4)];
    const int starts = round / 4 % 2 == 0 ? 2 : 8;
    const int kind = round / 8 % 3;  // all alike; two views; two views that may replace each other
    SCOPED_TRACE(state + ", " + std::to_string(starts) + " starts, kind " + std::to_string(kind));
    Prepare(state);
    std::vector<std::unique_ptr<ShardfsProcess>> runs;
    for (int i = 0; i < starts; ++i) {
      runs.push_back(std::make_unique<ShardfsProcess>(
          Command("materialize", kind == 0 ? 1 : 1 + i % 2,
                  kind == 2 ? std::vector<std::string>{"--replace"} : std::vector<std::string>{})));
    }
    int done_here = 0;
    for (const auto& run : runs) {
      const ProgramResult result = run->Wait();
      if (result.exit_code == 0) {
        ++done_here;
        continue;
      }
      ++refused;
      EXPECT_EQ(result.exit_code, 2) << result.err;
      EXPECT_THAT(result.err, AnyOf(HasSubstr("another run"), HasSubstr("another complete run"),
                                    HasSubstr("unfinished run that was another")));
    }
    EXPECT_GT(done_here, 0);
    done += done_here;
    ExpectOneWholeTree();
    if (HasFailure()) return;
  }
  std::cout << done << " runs came to their end, " << refused << " were refused\n";
}

// The same where each of them is killed at once: what is left is whole, can be gone on with, or is not there.
TEST_F(MaterializeStartsTest, SeveralThatAreKilledAreGoneOnWith) {
  for (int round = 0; round < Rounds() / 2; ++round) {
    fs::remove_all(out_);
    {
      std::vector<std::unique_ptr<ShardfsProcess>> runs;
      for (int i = 0; i < 3; ++i) runs.push_back(std::make_unique<ShardfsProcess>(Command("materialize", 1, {})));
      while (std::any_of(runs.begin(), runs.end(), [](const auto& run) { return run->Running(); })) {
        if (fs::exists(out_ + "/.shardfs-journal") && round % 3 != 0) break;
      }
    }  // kills those that run
    const ProgramResult again = Materialize(1);
    ASSERT_EQ(again.exit_code, 0) << again.err;
    ExpectOneWholeTree();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace shardfs
