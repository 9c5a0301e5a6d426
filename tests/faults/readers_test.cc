// Many readers at once, readers that never read, readers that are killed: right bytes, and nothing of them is left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string_view>
#include <thread>

#include "faults/fault_mount.h"
#include "base/mount_table.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

constexpr int kReaders = 64;

struct OpenFile {
  int fd = -1;
  const std::string* expected = nullptr;
};

// Random ranges of random files, by one way of reading each: past the page cache, through it with the cache thrown away
// first, or mapped. 0 when every byte was right.
int ReadAtRandom(const std::vector<OpenFile>& files, unsigned seed, int reads) {
  std::mt19937 random(seed);
  std::string buffer;
  for (int i = 0; i < reads; ++i) {
    const OpenFile& file = files[random() % files.size()];
    const std::string& expected = *file.expected;
    const std::size_t offset = random() % expected.size();
    const std::size_t size = std::min<std::size_t>(1 + random() % 100'000, expected.size() - offset);
    buffer.assign(size, '?');
    if (random() % 3 == 0) {
      ::posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED);
      void* const mapping = ::mmap(nullptr, expected.size(), PROT_READ, MAP_SHARED, file.fd, 0);
      if (mapping == MAP_FAILED) return 1;
      buffer.assign(static_cast<const char*>(mapping) + offset, size);
      ::munmap(mapping, expected.size());
    } else {
      if (random() % 2 == 0) ::posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED);
      if (::pread(file.fd, buffer.data(), size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size)) return 2;
    }
    if (std::string_view(expected).substr(offset, size) != buffer) return 3;
  }
  return 0;
}

class ReaderFaults : public MountFaults {
 protected:
  void SetUp() override {
    MountFaults::SetUp();
    ASSERT_EQ(::pipe2(first_reads_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    for (const int end : first_reads_) ::close(end);
  }

  // What a reader does that is to be killed: every other one reads past the page cache.
  int ReadForEver(const std::map<std::string, std::string>& expected, unsigned seed) const {
    const std::vector<OpenFile> files = OpenAll(expected, seed % 2 == 0 ? 0 : O_DIRECT);
    (void)ReadAtRandom(files, seed, 1);
    (void)!::write(first_reads_[1], "y", 1);
    return ReadAtRandom(files, seed, 1 << 30);
  }
  void AwaitFirstReads(std::size_t readers) const {
    char byte = 0;
    for (std::size_t i = 0; i < readers; ++i) ASSERT_EQ(::read(first_reads_[0], &byte, 1), 1);
  }

  // Every file of the view that is not empty, opened with these flags.
  std::vector<OpenFile> OpenAll(const std::map<std::string, std::string>& expected, int flags) const {
    std::vector<OpenFile> files;
    for (const auto& [path, bytes] : expected) {
      const int fd = ::open((point_ + "/" + path).c_str(), O_RDONLY | O_CLOEXEC | flags);
      if (fd >= 0 && !bytes.empty()) files.push_back({fd, &bytes});
    }
    return files;
  }

  // How many descriptors the daemon holds.
  std::size_t Descriptors() const {
    const fs::directory_iterator entries("/proc/" + std::to_string(Daemons().at(0)) + "/fd");
    return static_cast<std::size_t>(std::distance(fs::begin(entries), fs::end(entries)));
  }

  // No more descriptors than before: the pipe over which the daemon said that it is ready closes a moment after, and so
  // may have been counted. And an unmount that is not lazy proves that the kernel holds no handle any more.
  void ExpectThatNothingIsLeft(std::size_t descriptors_before) const {
    EXPECT_TRUE(GaugesReturnToZero(point_)) << ReadTextOf(point_ + "/.shardfs/status.json");
    EXPECT_LE(Descriptors(), descriptors_before);
    const ProgramResult result = RunShardfs({"umount", point_});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
    EXPECT_TRUE(WaitUntil([this] { return Occurrences(Log(), " 0 failed reads") == 1; })) << Log();
  }

  int first_reads_[2] = {-1, -1};  // a pipe: a byte from each reader that has read
};

TEST_F(ReaderFaults, F15_SixtyFourReadersGetTheRightBytes) {
  const auto expected = ExpectedFiles();
  Mount();
  const std::size_t descriptors = Descriptors();
  // Every other reader opens the files itself; the rest share what was opened before they were forked.
  std::vector<OpenFile> shared = OpenAll(expected, 0);
  const std::vector<OpenFile> shared_direct = OpenAll(expected, O_DIRECT);
  shared.insert(shared.end(), shared_direct.begin(), shared_direct.end());
  ASSERT_GT(shared.size(), 20u);
  std::vector<Child> readers;
  for (unsigned i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      return i % 2 == 0 ? ReadAtRandom(shared, i, 100)
                        : ReadAtRandom(OpenAll(expected, i % 4 == 1 ? 0 : O_DIRECT), i, 100);
    });
  }
  for (Child& reader : readers) {
    ASSERT_TRUE(reader.EndsWithin(kPromptly));
    EXPECT_EQ(reader.Status(), 0) << "a reader got wrong bytes or was killed";
  }
  for (const OpenFile& file : shared) ::close(file.fd);
  ExpectThatNothingIsLeft(descriptors);
}

// A descriptor that is shared by a fork has one position: each byte goes to one of the readers, and to no other.
TEST_F(ReaderFaults, F15_ReadersOfOneSharedPositionGetEachByteOnce) {
  constexpr std::size_t kChunk = 1024;
  const std::string path = "model-moe-tp-000-ep-000/model.safetensors";
  const auto files = ExpectedFiles();
  const std::string& expected = files.at(path);
  Mount();
  int results[2];
  ASSERT_EQ(::pipe2(results, O_CLOEXEC), 0);
  const FileDescriptor file(::open((point_ + "/" + path).c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<Child> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      char chunk[kChunk];
      for (ssize_t count = 0; (count = ::read(file.get(), chunk, kChunk)) != 0;) {
        if (count < 0) return 1;
        if (::write(results[1], chunk, static_cast<std::size_t>(count)) != count) return 2;  // atomic: below PIPE_BUF
      }
      return 0;
    });
  }
  ::close(results[1]);
  std::string all;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(results[0], buffer, sizeof buffer)) > 0;) {
    all.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(results[0]);
  for (Child& reader : readers) {
    ASSERT_TRUE(reader.EndsWithin(kPromptly));
    EXPECT_EQ(reader.Status(), 0);
  }
  // In whatever order they came: the same bytes, each as often.
  std::string wanted = expected;
  ASSERT_EQ(all.size(), wanted.size());
  std::sort(all.begin(), all.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_TRUE(all == wanted);
}

TEST_F(ReaderFaults, F16_ReadersThatOpenAndNeverReadLeaveNothing) {
  const auto expected = ExpectedFiles();
  Mount();
  const std::size_t descriptors = Descriptors();
  int opened[2];
  ASSERT_EQ(::pipe2(opened, O_CLOEXEC), 0);
  {
    std::vector<Child> readers;
    for (int i = 0; i < kReaders; ++i) {
      readers.emplace_back([&] {
        const bool all = OpenAll(expected, 0).size() > 10;
        (void)!::write(opened[1], all ? "y" : "n", 1);
        return ::pause();
      });
    }
    for (int i = 0; i < kReaders; ++i) {
      char answer = 'n';
      ASSERT_EQ(::read(opened[0], &answer, 1), 1);
      EXPECT_EQ(answer, 'y');
    }
    EXPECT_LE(Descriptors(), descriptors) << "an open file must cost the daemon no descriptor";
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 1) << "the kernel holds their handles";
  }  // killed
  for (const int end : opened) ::close(end);
  ExpectThatNothingIsLeft(descriptors);
}

TEST_F(ReaderFaults, F16_ReadersKilledInTheMiddleLeaveNothing) {
  const auto expected = ExpectedFiles();
  Mount();
  const std::size_t descriptors = Descriptors();
  std::mt19937 random(16);
  for (int round = 0; round < 10; ++round) {
    std::vector<Child> readers;
    for (unsigned i = 0; i < 32; ++i) {
      readers.emplace_back([&, i] { return ReadForEver(expected, i); });
    }
    AwaitFirstReads(readers.size());
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 50));  // at any place of a read
    for (Child& reader : readers) reader.Signal(SIGKILL);
    for (Child& reader : readers) ASSERT_TRUE(reader.EndsWithin(kPromptly)) << "in round " << round;
  }
  EXPECT_EQ(ReadPastTheCache(point_ + "/config.json").bytes, expected.at("config.json"));
  ExpectThatNothingIsLeft(descriptors);
}

// While the daemon stands still, killed readers leave requests behind that nobody waits for, and interrupts of them.
TEST_F(ReaderFaults, F16_InterruptedRequestsAreForgotten) {
  const auto expected = ExpectedFiles();
  Mount();
  const pid_t daemon = Daemons().at(0);
  const std::size_t descriptors = Descriptors();
  std::vector<Child> readers;
  for (unsigned i = 0; i < 32; ++i) {
    readers.emplace_back([&, i] { return ReadForEver(expected, i); });
  }
  AwaitFirstReads(readers.size());
  StopAndWait(daemon);
  for (const Child& reader : readers) EXPECT_TRUE(WaitUntil([&] { return IsWaiting(reader.pid()); }));
  // Taken, the first signal has sent an interrupt of the request after it. Who waits for an answer that is on its way
  // takes no further one.
  for (const int number : {SIGINT, SIGKILL}) {
    for (const Child& reader : readers) reader.Signal(number);
    for (const Child& reader : readers) {
      EXPECT_TRUE(WaitUntil([&] { return StateOf(reader.pid()) == 'D' || StateOf(reader.pid()) == 'Z'; }));
    }
  }
  ::kill(daemon, SIGCONT);
  for (Child& reader : readers) ASSERT_TRUE(reader.EndsWithin(kPromptly));
  for (const auto& [path, bytes] : expected) {
    EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
  }
  ExpectThatNothingIsLeft(descriptors);
}

}  // namespace
}  // namespace shardfs
