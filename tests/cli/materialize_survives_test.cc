// materialize processes that are killed or run out of room, and the same command again: F8, F9 and F10 of the fault
// list. (The single cases of what a kill can leave are in tests/materialize/resume_test.cc.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"
#include "tools/checkpoint_writer.h"
#include "tools/processes.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MaterializeSurvivesTest : public ::testing::Test {
 protected:
  MaterializeSurvivesTest() {
    tools::CheckpointOptions options;
    options.shape = tools::FindPreset("small")->shape;
    options.files = 3;
    const auto checkpoint = tools::WriteCheckpoint(root_ / "source", options);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  }

  std::vector<std::string> Command(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"materialize", root_ / "source", out_, "--tp", "2", "--moe-tp",
                                          "2",           "--threads",      "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // What the manifest says of every file.
  nlohmann::json Files() const {
    const auto manifest = nlohmann::json::parse(ReadFile(out_ + "/.shardfs-manifest.json"), nullptr, false);
    return manifest.is_discarded() ? nlohmann::json() : manifest["files"];
  }

  void ExpectTheView() {
    const ProgramResult view = RunShardfs({"verify", root_ / "source", out_, "--tp", "2", "--moe-tp", "2"});
    EXPECT_EQ(view.exit_code, 0) << view.out << view.err;
    const ProgramResult manifest = RunShardfs({"verify", out_});
    EXPECT_EQ(manifest.exit_code, 0) << manifest.out << manifest.err;
  }

  // Lets the run go on for a moment at a time until it has completed a file, and leaves it stopped; false when it has
  // come to its end.
  bool StopAtTheFirstFile(const ShardfsProcess& process) const {
    while (process.Running()) {
      process.Signal(SIGSTOP);
      if (ReadFile(out_ + "/.shardfs-journal").find("\"done\"") != std::string::npos) return true;
      process.Signal(SIGCONT);
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  }

  // In a process and control group of its own: begins a run, holds it as soon as it has completed a file, takes so much
  // memory that the rest of its files does not fit, and lets it go on.
  int TakeTheMemoryOfARun(std::uint64_t limit) const {
    // The kernel is to choose the run, which inherits this; putting it back to 0 takes no privilege.
    std::ofstream("/proc/self/oom_score_adj") << 1000 << std::flush;
    ShardfsProcess process(Command());
    std::ofstream("/proc/self/oom_score_adj") << 0 << std::flush;
    if (!StopAtTheFirstFile(process)) return kRunWasFaster;
    const fs::space_info space = fs::space(fs::path(out_).parent_path());
    const std::uint64_t written = space.capacity - space.available;
    const std::uint64_t taken = limit - std::min(limit, written + kRoomLeft);
    // Filled by the kernel: a sanitizer would take memory of its own for each byte that this program writes.
    if (::mmap(nullptr, taken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
      return kNoMemory;
    process.Signal(SIGCONT);
    return process.Wait().exit_code == -1 ? kRunWasKilled : kRunWasFaster;
  }

  // A file that takes all the room that is left.
  static void Fill(const std::string& path) {
    const std::string block(4096, 'x');
    std::ofstream file(path, std::ios::binary);
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
  }

  static std::set<std::string> RegularFiles(const std::string& directory) {
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.is_regular_file()) files.insert(entry.path());
    }
    return files;
  }

  static constexpr std::uint64_t kRoomLeft = 48u << 20;  // the run's own memory takes part of it
  static constexpr std::uint64_t kSpare = 64u << 20;
  static constexpr int kRunWasFaster = 0;
  static constexpr int kRunWasKilled = 1;
  static constexpr int kCannotEnter = 2;
  static constexpr int kNoMemory = 3;

  TemporaryDirectory root_;
  std::string out_ = root_ / "out";
};

int Kills() {
  const char* wanted = std::getenv("SHARDFS_KILLS");
  return wanted == nullptr ? 15 : std::max(1, std::atoi(wanted));
}

// Kills at random times until a run comes to its end, again and again until there were enough kills. No time decides
// what is expected, only how many kills hit a run.
TEST_F(MaterializeSurvivesTest, F10RandomKills) {
  auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(RunShardfs(Command()).exit_code, 0);
  const auto whole_run = std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - start);
  const nlohmann::json expected = Files();
  ASSERT_FALSE(expected.empty());
  fs::remove_all(out_);

  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::int64_t> delay(0, whole_run.count());
  int kills = 0;
  int kills_of_this_tree = 0;
  int resumed = 0;
  int trees = 0;
  while (kills < Kills() || kills_of_this_tree > 0) {
    ShardfsProcess process(Command());
    std::this_thread::sleep_for(microseconds(delay(random)));
    // Enough is enough: the last one may come to its end.
    if (kills < Kills()) process.Signal(SIGKILL);
    const ProgramResult result = process.Wait();
    if (result.exit_code == -1) {
      ++kills;
      ++kills_of_this_tree;
      // Killed behind its last step it may be complete; then it must be right.
      if (!fs::exists(out_ + "/.shardfs-complete")) continue;
    } else {
      ASSERT_EQ(result.exit_code, 0) << result.err;
    }
    if (result.out.find("were there") != std::string::npos) ++resumed;
    ++trees;
    kills_of_this_tree = 0;
    ASSERT_EQ(Files(), expected);
    ExpectTheView();
    for (const auto& entry : fs::recursive_directory_iterator(out_)) {
      EXPECT_EQ(entry.path().string().find("shardfs-tmp"), std::string::npos) << entry.path();
    }
    if (::testing::Test::HasFailure()) return;
    fs::remove_all(out_);
  }
  std::cout << kills << " kills, " << trees << " trees, all equal; " << resumed << " went on with complete files\n";
}

// F8: another process fills the filesystem after the preflight has looked.
TEST_F(MaterializeSurvivesTest, F8AFilesystemThatFillsUpMeanwhile) {
  ASSERT_EQ(RunShardfs(Command()).exit_code, 0);
  const nlohmann::json expected = Files();
  std::uint64_t bytes = 0;
  for (const auto& file : expected) bytes += file["size"].get<std::uint64_t>();
  fs::remove_all(out_);
  const SmallFilesystem filesystem("size=" + std::to_string(bytes + bytes / 4));
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  out_ = filesystem.path() + "/out";
  const std::string other = filesystem.path() + "/other";
  for (int attempt = 0; attempt < 20; ++attempt) {
    fs::remove_all(out_);
    ShardfsProcess process(Command());
    if (!StopAtTheFirstFile(process)) continue;
    Fill(other);
    process.Signal(SIGCONT);
    const ProgramResult full = process.Wait();
    if (full.exit_code == 0) {  // it had the room for all its files before
      fs::remove(other);
      continue;
    }
    EXPECT_EQ(full.exit_code, 1);
    EXPECT_THAT(full.err, AllOf(HasSubstr("No space left on device"), HasSubstr("files are complete and kept")));
    EXPECT_TRUE(fs::exists(out_ + "/.shardfs-journal"));
    EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
    const auto kept = RegularFiles(out_);
    EXPECT_GE(kept.size(), 2u) << "the journal and what is complete";

    const ProgramResult refused = RunShardfs(Command());
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("is available"));
    EXPECT_EQ(RegularFiles(out_), kept);

    fs::remove(other);
    const ProgramResult again = RunShardfs(Command());
    ASSERT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("were there"));
    EXPECT_EQ(Files(), expected);
    ExpectTheView();
    return;
  }
  FAIL() << "the run always ended before the filesystem was full";
}

TEST_F(MaterializeSurvivesTest, ASignalKeepsWhatIsComplete) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    fs::remove_all(out_);
    ShardfsProcess process(Command());
    if (!StopAtTheFirstFile(process)) continue;
    // The handler has run when it is stopped again. What it asks for is looked at every 100 ms, which then are over.
    process.Signal(SIGTERM);
    process.Signal(SIGCONT);
    ASSERT_TRUE(WaitUntil([&] { return !HasPendingSignal(process.pid(), SIGTERM); }));
    process.Signal(SIGSTOP);
    std::this_thread::sleep_for(milliseconds(150));
    process.Signal(SIGCONT);
    const ProgramResult result = process.Wait();
    if (result.exit_code == 0) continue;  // this test had to wait for a processor for as long as a run takes
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("run the same command again to go on"));
    EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
    const ProgramResult again = RunShardfs(Command());
    ASSERT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("were there"));
    ExpectTheView();
    return;
  }
  FAIL() << "the run always ended before the signal";
}

// A control group for memory, of either version; gone when the test ends.
class MemoryGroup {
 public:
  MemoryGroup() {
    for (const auto& [parent, limit] : std::map<std::string, std::string>{
             {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}}) {
      const std::string path = parent + "/shardfs-test-" + std::to_string(::getpid());
      std::error_code error;
      if (!fs::create_directory(path, error)) continue;
      path_ = path;
      limit_ = path + "/" + limit;
      if (fs::exists(limit_)) return;
      Remove();
    }
  }
  ~MemoryGroup() { Remove(); }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  bool exists() const { return !path_.empty(); }
  bool SetLimit(std::uint64_t bytes) const { return Write(limit_, std::to_string(bytes)); }
  bool Enter() const { return Write(path_ + "/cgroup.procs", "0"); }

  // Ends whatever is left in the group, and waits for it.
  void KillAll() const {
    (void)WaitUntil([this] {
      std::ifstream file(path_ + "/cgroup.procs");
      pid_t pid = 0;
      bool any = false;
      while (file >> pid) {
        any = true;
        ::kill(pid, SIGKILL);
      }
      return !any;
    });
  }

 private:
  static bool Write(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    file << text << std::flush;
    return file.good();
  }
  void Remove() {
    if (!path_.empty()) (void)WaitUntil([this] { return ::rmdir(path_.c_str()) == 0; });
    path_.clear();
  }

  std::string path_;
  std::string limit_;
};

// F9: the kernel kills the run for memory. Something else fills the control group after the preflight has looked.
TEST_F(MaterializeSurvivesTest, F9KilledForMemory) {
  const SmallFilesystem filesystem("size=2g");
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the privilege to mount";
  const MemoryGroup group;
  if (!group.exists()) GTEST_SKIP() << "needs a control group for memory that may be made";
  out_ = filesystem.path() + "/out";
  ASSERT_EQ(RunShardfs(Command()).exit_code, 0);
  const nlohmann::json expected = Files();
  std::uint64_t bytes = 0;
  for (const auto& file : expected) bytes += file["size"].get<std::uint64_t>();
  fs::remove_all(out_);

  const std::uint64_t limit = bytes + bytes / 4 + kSpare;  // enough for the run alone
  ASSERT_TRUE(group.SetLimit(limit));
  bool killed = false;
  for (int attempt = 0; attempt < 20 && !killed; ++attempt) {
    fs::remove_all(out_);
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(group.Enter() ? TakeTheMemoryOfARun(limit) : kCannotEnter);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    group.KillAll();  // the kernel may have chosen this child instead
    ASSERT_TRUE(!WIFEXITED(status) || WEXITSTATUS(status) != kCannotEnter) << "cannot enter the control group";
    killed = WIFEXITED(status) && WEXITSTATUS(status) == kRunWasKilled;
  }
  if (!killed) GTEST_SKIP() << "the kernel never chose the run";
  EXPECT_FALSE(fs::exists(out_ + "/.shardfs-complete"));
  const ProgramResult again = RunShardfs(Command());
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(Files(), expected);
  ExpectTheView();
  fs::remove_all(out_);
}

}  // namespace
}  // namespace shardfs
