// What a read costs, in counts that no clock and no other load changes: requests and system calls of the daemon for
// each MiB that is read in order, and source bytes for each byte that is served.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "fuse/fuse_available.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/checkpoint_writer.h"
#include "tools/deepseek_shape.h"
#include "tools/processes.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRead = 80 << 20;
// Read-ahead runs up to two windows of 4 MiB past what is read, a tenth of it.
constexpr double kReadAhead = 1.12;

// read(2)-like calls, write(2)-like calls, and what the read-like ones gave, of a process so far (proc(5)).
struct IoCounts {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t bytes_read = 0;
};

IoCounts CountsOf(const fs::path& process) {
  IoCounts counts;
  std::ifstream file(process / "io");
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "syscr:") counts.reads = value;
    if (name == "syscw:") counts.writes = value;
    if (name == "rchar:") counts.bytes_read = value;
  }
  return counts;
}

// What the kernel may ask for at once on this mount: 256 KiB, or 128 where read-ahead could not be raised.
double RequestsPerMib(const std::string& mount_point) {
  struct stat info {};
  if (::stat(mount_point.c_str(), &info) != 0) return 0;
  std::ifstream file("/sys/class/bdi/" + std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev)) +
                     "/read_ahead_kb");
  unsigned kib = 0;
  return file >> kib && kib >= 256 ? 4 : 8;
}

class ReadCounts : public ::testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    tools::CheckpointOptions options;
    options.shape = tools::FindPreset("deepseek-v3")->shape;
    options.shape.layers = 4;
    options.shape.experts = 64;
    options.shape.vocab = 32'000;
    options.shape.mtp_layers = 0;
    options.files = 2;
    options.fill = tools::Fill::kSparse;
    const std::string source = directory_.MakeDirectory("source");
    ASSERT_TRUE(tools::WriteCheckpoint(source, options).ok());
    mount_ = std::make_unique<MountedProgram>(
        source, std::vector<std::string>{"--dp", "2", "--tp", "8", "--moe-tp", "4", "--moe-ep", "4"});
    ASSERT_EQ(mount_->result().exit_code, 0) << mount_->result().err;
    const std::vector<pid_t> daemons = ProcessesNaming(mount_->path());
    ASSERT_EQ(daemons.size(), 1u);
    daemon_ = "/proc/" + std::to_string(daemons.front());
    requests_ = RequestsPerMib(mount_->path());
  }

  // Reads kRead bytes in order, in steps of 1 MiB; what the daemon did for it, for each MiB.
  void Read(const fs::path& path, std::uint64_t begin) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file.valid());
    ASSERT_GE(fs::file_size(path), begin + kRead);
    const auto buffer = std::make_unique<char[]>(1 << 20);
    const IoCounts before = CountsOf(daemon_);
    for (std::uint64_t done = 0; done < kRead; done += 1 << 20) {
      ASSERT_EQ(::pread(file.get(), buffer.get(), 1 << 20, static_cast<off_t>(begin + done)), 1 << 20);
    }
    const IoCounts after = CountsOf(daemon_);
    constexpr double mib = static_cast<double>(kRead) / (1 << 20);
    replies_ = static_cast<double>(after.writes - before.writes) / mib;
    calls_ = static_cast<double>(after.reads - before.reads) / mib + replies_;
    bytes_ = static_cast<double>(after.bytes_read - before.bytes_read) / static_cast<double>(kRead);
  }

  MountableDirectory directory_;
  std::unique_ptr<MountedProgram> mount_;
  fs::path daemon_;
  double requests_ = 0;  // per MiB, as few as can be
  double replies_ = 0;   // per MiB
  double calls_ = 0;     // per MiB
  double bytes_ = 0;     // read per byte asked for, requests included
};

// The one weights file of an expert rank: down_proj, rows of 1,024 B out of 4,096, then gate_up_proj, whole rows.
class ExpertReadCounts : public ReadCounts {
 protected:
  fs::path File() const {
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(fs::path(mount_->path()) / "model-moe-tp-000-ep-000")) {
      if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
    }
    return largest;
  }
};

TEST_F(ExpertReadCounts, ContiguousRunsAreReadOnceInLargeRequests) {
  Read(File(), fs::file_size(File()) - kRead);
  EXPECT_GE(replies_, 3.9);  // or nothing was measured
  EXPECT_LE(replies_, requests_ * kReadAhead);
  EXPECT_LE(calls_, 3 * requests_ * kReadAhead);  // a request is taken, read from the source, answered
  EXPECT_LE(bytes_, kReadAhead);
}

TEST_F(ExpertReadCounts, RowsAreGatheredFromTheMappingWithoutASystemCallForEach) {
  Read(File(), 8 << 20);
  EXPECT_GE(replies_, 3.9);
  EXPECT_LE(replies_, requests_ * kReadAhead);
  // A request is taken and answered; whether its 1 MiB of the source is in memory is asked at most four times. Its rows
  // are 256.
  EXPECT_LE(calls_, 6 * requests_ * kReadAhead);
}

}  // namespace
}  // namespace shardfs::testing
