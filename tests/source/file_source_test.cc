#include "shardfs/source/file_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/source/fault_guard.h"
#include "source/scratch_directory.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using testing::ScratchDirectory;

class FileSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 10'000; ++i) content_ += static_cast<char>(i % 251);
    directory_.Write("file", content_);
  }

  std::unique_ptr<FileSource> Open(const std::string& name = "file") {
    auto source = FileSource::Open(directory_.fd(), name);
    EXPECT_TRUE(source.ok()) << source.status();
    return source.ok() ? std::move(*source) : nullptr;
  }

  static Result<std::string> Read(const FileSource& source, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '?');
    SHARDFS_RETURN_IF_ERROR(source.ReadAt(offset, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  static void ExpectChanged(const Status& status, const std::string& part) {
    EXPECT_EQ(status.code(), StatusCode::kSourceChanged) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("'file'"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  ScratchDirectory directory_;
  std::string content_;
};

TEST_F(FileSourceTest, ReadsAnyRange) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->size(), content_.size());
  EXPECT_EQ(source->name(), "file");
  EXPECT_EQ(*Read(*source, 0, content_.size()), content_);
  EXPECT_EQ(*Read(*source, 4095, 3), content_.substr(4095, 3));
  EXPECT_EQ(*Read(*source, 9'999, 1), content_.substr(9'999));
  EXPECT_EQ(*Read(*source, 10'000, 0), "");
}

TEST_F(FileSourceTest, MapsTheWholeFile) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  const auto mapped = source->Mapped();
  ASSERT_EQ(mapped.size(), content_.size());
  EXPECT_EQ(std::memcmp(mapped.data(), content_.data(), content_.size()), 0);
}

TEST_F(FileSourceTest, AnEmptyFileIsNotMapped) {
  directory_.Write("empty", "");
  const auto source = Open("empty");
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->size(), 0u);
  EXPECT_TRUE(source->Mapped().empty());
  EXPECT_TRUE(Read(*source, 0, 0).ok());
}

TEST_F(FileSourceTest, ReadsBeyondTheEndAreTheCallersError) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(Read(*source, 9'999, 2).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Read(*source, 10'001, 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Read(*source, UINT64_MAX, 2).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(source->changed());
}

TEST_F(FileSourceTest, PathsLeadDownAlone) {
  for (const char* name : {"", ".", "..", "/etc/passwd", "../file", "file/", "a//b", "a/../b"}) {
    const auto source = FileSource::Open(directory_.fd(), name);
    EXPECT_EQ(source.status().code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_FALSE(IsPlainName(std::string_view("a\0b", 3)));
  EXPECT_TRUE(IsPlainName("..."));
  EXPECT_EQ(FileSource::Open(directory_.fd(), "a/b").status().code(), StatusCode::kNotFound);
}

TEST_F(FileSourceTest, MissingNamesAndDanglingLinks) {
  const auto missing = FileSource::Open(directory_.fd(), "other");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("'other' is missing"));
  std::filesystem::create_symlink("../blobs/0123", directory_ / "link");
  const auto dangling = FileSource::Open(directory_.fd(), "link");
  EXPECT_EQ(dangling.status().code(), StatusCode::kCorruption);
  EXPECT_THAT(std::string(dangling.status().message()), HasSubstr("'../blobs/0123'"));
}

TEST_F(FileSourceTest, FollowsLinksToRegularFiles) {
  std::filesystem::create_symlink("file", directory_ / "link");
  const auto source = Open("link");
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(*Read(*source, 0, 10), content_.substr(0, 10));
}

TEST_F(FileSourceTest, RefusesAllButRegularFilesWithoutBlocking) {
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  std::filesystem::create_directory(directory_ / "directory");
  std::filesystem::create_symlink("/dev/null", directory_ / "device");
  std::filesystem::create_symlink("fifo", directory_ / "link");
  for (const char* name : {"fifo", "directory", "device", "link"}) {
    const auto source = FileSource::Open(directory_.fd(), name);
    EXPECT_EQ(source.status().code(), StatusCode::kCorruption) << name;
    EXPECT_THAT(std::string(source.status().message()), HasSubstr("'" + std::string(name) + "' is not a regular file"));
  }
}

TEST_F(FileSourceTest, TruncatedWhileOpen) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::filesystem::resize_file(directory_ / "file", 5'000);
  ExpectChanged(Read(*source, 4'000, 2'000).status(), "5000");
  EXPECT_TRUE(source->changed());
  ExpectChanged(Read(*source, 0, 10).status(), "was 10000 bytes and is 5000");
}

TEST_F(FileSourceTest, TruncatedWhileOpenIsSeenByReadsOfWhatIsLeft) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::filesystem::resize_file(directory_ / "file", 5'000);
  ExpectChanged(Read(*source, 0, 10).status(), "was 10000 bytes and is 5000");
}

TEST_F(FileSourceTest, TheMappingOfATruncatedFileIsGuarded) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::filesystem::resize_file(directory_ / "file", 0);
  char byte = 0;
  EXPECT_FALSE(WithFaultGuard([&] { std::memcpy(&byte, source->Mapped().data() + 9'000, 1); }));
  ExpectChanged(source->CheckUnchanged(), "was 10000 bytes and is 0");
}

// How many pages of [begin, begin + size) this process has in its page tables (proc(5), pagemap).
std::size_t PagesMapped(const std::byte* begin, std::size_t size) {
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const FileDescriptor map(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::size_t mapped = 0;
  for (std::size_t done = 0; done < size; done += page) {
    std::uint64_t entry = 0;
    const auto at = static_cast<off_t>((reinterpret_cast<std::uintptr_t>(begin) + done) / page * sizeof entry);
    if (::pread(map.get(), &entry, sizeof entry, at) == sizeof entry) mapped += entry >> 63;
  }
  return mapped;
}

// What Populate needs of this machine, asked of the machine itself; empty where all is there.
std::string LacksForPopulate(const std::filesystem::path& file) {
  char byte = 0;
  const struct iovec target = {&byte, 1};
  const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (::preadv2(fd.get(), &target, 1, 0, RWF_NOWAIT) != 1) {
    return "the file system of TMPDIR does not say what is in memory (RWF_NOWAIT)";
  }
  constexpr int kPopulateRead = 22;  // of Linux 5.14
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const memory = ::mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool known = ::madvise(memory, page, kPopulateRead) == 0;
  ::munmap(memory, page);
  return known ? "" : "this kernel has no MADV_POPULATE_READ; pages are faulted in as they are touched";
}

// A fault maps its neighbours that are in memory, up to 64 KiB of them.
std::size_t FaultAround() { return std::size_t{65'536} / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

TEST_F(FileSourceTest, PopulatesTheRangeAskedFor) {
  const std::string large(1 << 20, 'x');
  directory_.Write("large", large);
  const auto source = Open("large");
  ASSERT_NE(source, nullptr);
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::byte* const begin = source->Mapped().data();
  if (const std::string lacks = LacksForPopulate(directory_ / "large"); !lacks.empty()) GTEST_SKIP() << lacks;
  ASSERT_EQ(PagesMapped(begin, large.size()), 0u);
  source->Populate(300'000, 200'000);
  const std::size_t mapped = PagesMapped(begin, large.size());
  EXPECT_GE(mapped, 200'000 / page);
  // The range may begin and end inside a page and a block of 64 KiB.
  EXPECT_LE(mapped, 200'000 / page + 4 * FaultAround() + 2);
  source->Populate(0, std::uint64_t{1} << 40);  // what goes beyond the end is left out
  EXPECT_EQ(PagesMapped(begin, large.size()), large.size() / page);
  source->Populate(large.size(), 1);
  source->Populate(0, 0);
  EXPECT_EQ(*Read(*source, 0, large.size()), large);
}

TEST_F(FileSourceTest, PopulatesWholePageTablesWhereMuchIsAskedFor) {
  constexpr std::size_t kTable = std::size_t{2} << 20;
  const std::string large(2 * kTable + (std::size_t{1} << 20), 'x');
  directory_.Write("large", large);
  const auto source = Open("large");
  ASSERT_NE(source, nullptr);
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::byte* const begin = source->Mapped().data();
  if (const std::string lacks = LacksForPopulate(directory_ / "large"); !lacks.empty()) GTEST_SKIP() << lacks;
  source->Populate(kTable + kTable / 2, kTable / 4);
  EXPECT_EQ(PagesMapped(begin + kTable, kTable), kTable / page);
  const std::size_t below = PagesMapped(begin, kTable);  // not asked for
  EXPECT_LE(below, FaultAround());
  source->Populate(large.size() - kTable / 4, kTable / 4);  // the last one ends with the file
  EXPECT_EQ(PagesMapped(begin, large.size()), (large.size() - kTable) / page + below);
  EXPECT_EQ(*Read(*source, 0, large.size()), large);
}

// How many pages of a file are in the page cache, seen through a mapping of its own.
std::size_t PagesCached(const std::filesystem::path& file, std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  void* const mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  std::vector<unsigned char> cached((size + page - 1) / page);
  EXPECT_EQ(::mincore(mapping, size, cached.data()), 0);
  ::munmap(mapping, size);
  return static_cast<std::size_t>(std::count_if(cached.begin(), cached.end(), [](auto c) { return (c & 1) != 0; }));
}

// Ranges as tensors lie: they begin and end anywhere, between pages of any size.
TEST_F(FileSourceTest, DropsWhatWasReadThroughTheMapping) {
  const std::string large(4 << 20, 'x');
  directory_.Write("large", large);
  const FileDescriptor file(::open((directory_ / "large").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::fsync(file.get()), 0);  // what is not yet on the disk cannot be dropped
  ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  if (PagesCached(directory_ / "large", large.size()) != 0) GTEST_SKIP() << "TMPDIR lies in memory";
  const auto source = Open("large");
  ASSERT_NE(source, nullptr);
  constexpr std::size_t kStep = 300'007;
  for (std::size_t begin = 0; begin < large.size(); begin += kStep) {
    const std::size_t size = std::min(kStep, large.size() - begin);
    ASSERT_EQ(std::memcmp(source->Mapped().data() + begin, large.data() + begin, size), 0);
    source->DropCached(begin, size);
  }
  EXPECT_EQ(PagesCached(directory_ / "large", large.size()), 0u);
}

TEST_F(FileSourceTest, PopulatingATruncatedFileDoesNoHarm) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::filesystem::resize_file(directory_ / "file", 100);
  source->Populate(0, content_.size());
  EXPECT_EQ(source->CheckUnchanged().code(), StatusCode::kSourceChanged);
}

TEST_F(FileSourceTest, OverwrittenWhileOpen) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  directory_.Touch("file");
  ExpectChanged(Read(*source, 0, 10).status(), "modification time");
  EXPECT_TRUE(source->changed());
}

TEST_F(FileSourceTest, AChangeIsNotForgotten) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  struct stat before = {};
  ASSERT_EQ(::stat((directory_ / "file").c_str(), &before), 0);
  directory_.Touch("file");
  EXPECT_FALSE(source->CheckUnchanged().ok());
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(directory_.fd(), "file", times, 0), 0);
  ExpectChanged(source->CheckUnchanged(), "was seen");
  ExpectChanged(Read(*source, 0, 10).status(), "was seen");
}

TEST_F(FileSourceTest, GrownWhileOpen) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::filesystem::resize_file(directory_ / "file", 10'001);
  ExpectChanged(source->CheckUnchanged(), "was 10000 bytes and is 10001");
}

TEST_F(FileSourceTest, ReplacedWhileOpenServesTheOldBytes) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  directory_.Write("new", "something else");
  std::filesystem::rename(directory_ / "new", directory_ / "file");
  EXPECT_EQ(*Read(*source, 0, content_.size()), content_);
}

TEST_F(FileSourceTest, DeletedWhileOpenServesTheOldBytes) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::filesystem::remove(directory_ / "file");
  EXPECT_EQ(*Read(*source, 0, content_.size()), content_);
  EXPECT_TRUE(source->CheckUnchanged().ok());
}

TEST_F(FileSourceTest, TheNameIsFollowedApartFromTheBytes) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  EXPECT_TRUE(source->CheckName().ok());
  directory_.Write("new", content_);
  std::filesystem::rename(directory_ / "new", directory_ / "file");
  ExpectChanged(source->CheckName(), "has been replaced since it was opened");
  std::filesystem::remove(directory_ / "file");
  ExpectChanged(source->CheckName(), "has been deleted since it was opened");
  EXPECT_TRUE(source->CheckUnchanged().ok());
  EXPECT_FALSE(source->changed());
}

TEST_F(FileSourceTest, ALinkThatLeadsElsewhereIsAReplacedName) {
  directory_.Write("other", content_);
  std::filesystem::create_symlink("file", directory_ / "link");
  const auto source = FileSource::Open(directory_.fd(), "link");
  ASSERT_TRUE(source.ok());
  EXPECT_TRUE((*source)->CheckName().ok());
  std::filesystem::remove(directory_ / "link");
  std::filesystem::create_symlink("other", directory_ / "link");
  EXPECT_EQ((*source)->CheckName().code(), StatusCode::kSourceChanged);
}

// All of these change ctime; none of them a byte.
TEST_F(FileSourceTest, ChangesOfTheInodeThatLeaveTheBytesAloneAreNoChange) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  const auto file = directory_ / "file";
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  std::filesystem::create_hard_link(file, directory_ / "link");
  std::filesystem::remove(directory_ / "link");
  std::filesystem::rename(file, directory_ / "away");
  std::filesystem::rename(directory_ / "away", file);
  const struct timespec access_only[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  ASSERT_EQ(::utimensat(directory_.fd(), "file", access_only, 0), 0);
  EXPECT_TRUE(source->CheckUnchanged().ok());
  EXPECT_TRUE(source->CheckName().ok());
  EXPECT_EQ(*Read(*source, 0, content_.size()), content_);
}

TEST_F(FileSourceTest, ModificationTimesInTheFutureAreNoChange) {
  const struct timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 4'000'000'000, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(directory_.fd(), "file", times, 0), 0);
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->mtime_ns(), 4'000'000'000'000'000'000);
  EXPECT_TRUE(Read(*source, 0, 10).ok());
}

TEST_F(FileSourceTest, ManyThreadsReadAtOnce) {
  const auto source = Open();
  ASSERT_NE(source, nullptr);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 500; ++i) {
        const std::size_t offset = (t * 977 + i * 131) % 9'000;
        const auto bytes = Read(*source, offset, 1'000);
        ASSERT_TRUE(bytes.ok()) << bytes.status();
        ASSERT_EQ(*bytes, content_.substr(offset, 1'000));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace shardfs
