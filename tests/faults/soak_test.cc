// Sixty-four readers for as long as SHARDFS_SOAK_MINUTES says (tests/faults/soak.sh), some seconds without it: every
// byte is compared, and what the daemon needs at the end is what it needed at the beginning.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

#include "faults/fault_mount.h"
#include "fuse/fuse_available.h"
#include "tools/checkpoint_writer.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr unsigned kReaders = 64;
constexpr std::size_t kReadBytes = 256 * 1024;

// Shared with the readers, which are processes.
struct Totals {
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<bool> stop{false};
};

struct SoakFile {
  std::string path;                // in the mount
  const char* expected = nullptr;  // mapped from the materialized copy
  std::size_t size = 0;
};

// Random ranges, past the page cache but for one in sixteen, each compared.
int ReadUntilStopped(const std::vector<SoakFile>& files, unsigned seed, Totals& totals) {
  std::mt19937_64 random(seed);
  std::vector<int> direct;
  std::vector<int> cached;
  for (const SoakFile& file : files) {
    direct.push_back(::open(file.path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    cached.push_back(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  std::vector<char> buffer(kReadBytes);
  while (!totals.stop) {
    const std::size_t i = random() % files.size();
    const std::size_t offset = random() % files[i].size;
    const std::size_t size = std::min(kReadBytes, files[i].size - offset);
    const bool through_the_cache = random() % 16 == 0;
    if (through_the_cache) ::posix_fadvise(cached[i], 0, 0, POSIX_FADV_DONTNEED);
    const ssize_t count =
        ::pread(through_the_cache ? cached[i] : direct[i], buffer.data(), size, static_cast<off_t>(offset));
    if (count != static_cast<ssize_t>(size) || std::memcmp(buffer.data(), files[i].expected + offset, size) != 0) {
      ++totals.wrong;
    }
    totals.bytes += size;
  }
  return 0;
}

// KiB of a line of /proc/PID/status, "VmRSS:" or "RssAnon:".
double StatusKib(pid_t pid, const std::string& name) { return std::stod(StatusField(pid, name)); }

class Soak : public ::testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    const tools::Preset& preset = *tools::FindPreset("small");
    tools::CheckpointOptions options;
    options.shape = preset.shape;
    options.files = 4;
    ASSERT_TRUE(tools::WriteCheckpoint(source_, options).ok());
    const std::vector<std::string> sizes = {"--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2", "--mtp"};
    const auto run = [&](std::vector<std::string> arguments) {
      arguments.insert(arguments.end(), sizes.begin(), sizes.end());
      return RunShardfs(std::move(arguments));
    };
    ProgramResult result = run({"materialize", source_, copy_});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    result = run({"mount", source_, point_, "--log-file", directory_.path() / "log"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    for (const auto& entry : fs::recursive_directory_iterator(copy_)) {
      if (entry.path().extension() == ".safetensors") AddFile(entry.path());
    }
    ASSERT_GT(files_.size(), 10u);
  }

  void TearDown() override {
    for (const SoakFile& file : files_) ::munmap(const_cast<char*>(file.expected), file.size);
  }

  void AddFile(const fs::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const std::size_t size = fs::file_size(path);
    const void* const mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    ASSERT_NE(mapping, MAP_FAILED);
    files_.push_back({point_ + "/" + fs::relative(path, copy_).string(), static_cast<const char*>(mapping), size});
  }

  // Bytes a second of that many readers. `half_way` is called after the first part of the time.
  double Rate(
      unsigned readers, Seconds time, const std::function<void()>& half_way = [] {}) {
    void* const memory = ::mmap(nullptr, sizeof(Totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Totals& totals = *new (memory) Totals;
    double rate = 0;
    {
      std::vector<Child> children;
      for (unsigned i = 0; i < readers; ++i) {
        children.emplace_back([&, i] { return ReadUntilStopped(files_, i, totals); });
      }
      const auto begin = steady_clock::now();
      const std::uint64_t bytes_before = totals.bytes;
      std::this_thread::sleep_for(time / 4);
      half_way();
      std::this_thread::sleep_for(time * 3 / 4);
      rate = static_cast<double>(totals.bytes - bytes_before) / Seconds(steady_clock::now() - begin).count();
      totals.stop = true;
      for (Child& child : children) EXPECT_TRUE(child.EndsWithin(kPromptly)) << "a reader is stuck";
    }
    EXPECT_EQ(totals.wrong, 0u);
    ::munmap(memory, sizeof(Totals));
    return rate;
  }

  MountableDirectory directory_;
  std::string source_ = directory_.MakeDirectory("source");
  std::string copy_ = directory_.path() / "copy";
  std::string point_ = directory_.MakeDirectory("mount");
  std::vector<SoakFile> files_;
};

TEST_F(Soak, F15_SixtyFourReadersForLongChangeNothing) {
  const char* const minutes = std::getenv("SHARDFS_SOAK_MINUTES");
  const bool long_run = minutes != nullptr;
  const Seconds time(long_run ? std::max(std::atof(minutes) * 60, 8.0) : 8.0);
  const pid_t daemon = ProcessesNaming(point_).at(0);
  const std::string descriptors = "/proc/" + std::to_string(daemon) + "/fd";
  const auto count = [&] { return std::distance(fs::directory_iterator(descriptors), fs::directory_iterator()); };
  const auto descriptors_before = count();

  const double one = Rate(1, std::min(time / 2, Seconds(20)));
  double anonymous = 0;
  double resident = 0;
  const double all = Rate(kReaders, time, [&] {
    anonymous = StatusKib(daemon, "RssAnon:");
    resident = StatusKib(daemon, "VmRSS:");
  });
  const double growth = StatusKib(daemon, "RssAnon:") / anonymous - 1;
  const double resident_growth = StatusKib(daemon, "VmRSS:") / resident - 1;
  std::printf(
      "%u readers for %.0f s: %.0f MB/s, one: %.0f MB/s; memory after a quarter of the time %.1f MiB (%.1f MiB "
      "with mapped sources), growth since then %.2f %% (%.2f %%)\n",
      kReaders, time.count(), all / 1e6, one / 1e6, anonymous / 1024, resident / 1024, growth * 100,
      resident_growth * 100);
  EXPECT_TRUE(GaugesReturnToZero(point_));
  EXPECT_LE(count(), descriptors_before);  // the pipe over which the daemon said that it is ready may have been counted
  if (long_run) {  // a few seconds on a busy machine prove nothing about either
    EXPECT_GE(all, 0.8 * one);
    EXPECT_LT(growth, 0.01);
    EXPECT_LT(resident_growth, 0.01);
  }
  const ProgramResult result = RunShardfs({"umount", point_});
  EXPECT_EQ(result.exit_code, 0) << "a handle is left: " << result.err;
  EXPECT_TRUE(
      WaitUntil([&] { return ReadTextOf(directory_.path() / "log").find(" 0 failed reads") != std::string::npos; }));
}

}  // namespace
}  // namespace shardfs
