#include "shardfs/source/file_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <thread>

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

TEST_F(FileSourceTest, PopulatesTheRangeAskedFor) {
  const std::string large(1 << 20, 'x');
  directory_.Write("large", large);
  const auto source = Open("large");
  ASSERT_NE(source, nullptr);
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::byte* const begin = source->Mapped().data();
  ASSERT_EQ(PagesMapped(begin, large.size()), 0u);
  source->Populate(300'000, 200'000);
  const std::size_t mapped = PagesMapped(begin, large.size());
  if (mapped == 0) GTEST_SKIP() << "this kernel does not know MADV_POPULATE_READ; pages are faulted in one by one";
  EXPECT_GE(mapped, 200'000 / page);
  EXPECT_LE(mapped, 200'000 / page + 64);       // a fault maps its neighbours that are in memory
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
  source->Populate(kTable + kTable / 2, kTable / 4);
  if (PagesMapped(begin, large.size()) == 0) GTEST_SKIP() << "this kernel does not know MADV_POPULATE_READ";
  EXPECT_EQ(PagesMapped(begin + kTable, kTable), kTable / page);
  EXPECT_EQ(PagesMapped(begin, kTable), 0u);
  source->Populate(large.size() - kTable / 4, kTable / 4);  // the last one ends with the file
  EXPECT_EQ(PagesMapped(begin, large.size()), (large.size() - kTable) / page);
  EXPECT_EQ(*Read(*source, 0, large.size()), large);
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
