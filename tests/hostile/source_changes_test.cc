// F1, F2: every way to change a source under plans of every kind, mapped or not: an error of each read from then on.
// F4, for mapped sources: a page that cannot be read, though nothing has changed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hostile/system_calls.h"
#include "shardfs/source/file_source.h"
#include "shardfs/tensor/read_plan.h"
#include "source/scratch_directory.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/subtract_min.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kRows = 128;
constexpr std::uint64_t kColumns = 256;
constexpr std::size_t kBytes = kRows * kColumns * 2;  // 16 pages
constexpr off_t kPage = 4096;

// Of AddPlans, by mappings.
constexpr std::size_t kStrided = 1;
constexpr std::size_t kTransposed = 2;
constexpr std::size_t kComputed = 3;

// The same file without its mapping.
class UnmappedView final : public ByteSource {
 public:
  explicit UnmappedView(const FileSource& file) : file_(file) {}
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    return file_.ReadAt(offset, destination);
  }
  Status CheckUnchanged() const override { return file_.CheckUnchanged(); }
  std::uint64_t size() const override { return file_.size(); }
  const std::string& name() const override { return file_.name(); }

 private:
  const FileSource& file_;
};

struct Change {
  const char* name;
  std::function<int(int fd)> apply;  // 0, or errno where the file system cannot
};

int ErrnoOf(int result) { return result == 0 ? 0 : errno; }

const Change kTruncations[] = {
    {"truncated within a page", [](int fd) { return ErrnoOf(::ftruncate(fd, 5 * kPage + 100)); }},
    {"truncated at the end of a page", [](int fd) { return ErrnoOf(::ftruncate(fd, 5 * kPage)); }},
    {"truncated to nothing", [](int fd) { return ErrnoOf(::ftruncate(fd, 0)); }},
    {"truncated by a byte", [](int fd) { return ErrnoOf(::ftruncate(fd, kBytes - 1)); }},
};

const Change kChangesInPlace[] = {
    {"truncated and extended again",
     [](int fd) { return ErrnoOf(::ftruncate(fd, kPage) != 0 ? -1 : ::ftruncate(fd, kBytes)); }},
    {"written", [](int fd) { return ErrnoOf(::pwrite(fd, "x", 1, 9 * kPage) == 1 ? 0 : -1); }},
    {"a hole punched",
     [](int fd) { return ErrnoOf(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kPage, 4 * kPage)); }},
    {"zeroed", [](int fd) { return ErrnoOf(::fallocate(fd, FALLOC_FL_ZERO_RANGE, kPage, 4 * kPage)); }},
    {"written through a new mapping",
     [](int fd) {
       void* const mapping = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
       if (mapping == MAP_FAILED) return errno;
       static_cast<volatile char*>(mapping)[9 * kPage] = 'x';
       return ErrnoOf(::munmap(mapping, kBytes));
     }},
};

class SourceChanges : public ::testing::Test {
 protected:
  SourceChanges() {
    for (std::size_t i = 0; i < kBytes; ++i) content_ += static_cast<char>(1 + i * 7 % 250);  // no zeros
  }
  void SetUp() override { Open(); }
  void TearDown() override { SystemCallsAsUsual(); }

  // The file as it was, opened anew.
  void Open() {
    plans_.clear();
    Restore();
    auto file = FileSource::Open(directory_.fd(), "file");
    ASSERT_TRUE(file.ok()) << file.status();
    file_ = std::move(*file);
    unmapped_ = std::make_unique<UnmappedView>(*file_);
    AddPlans(file_.get());
    AddPlans(unmapped_.get());
  }

  // With the time of long ago, so that no change falls into the same tick of the clock.
  void Restore() {
    directory_.Write("file", content_);
    directory_.Touch("file");
    fd_ = FileDescriptor(::open((directory_ / "file").c_str(), O_RDWR | O_CLOEXEC));
  }

  // The ways to bytes: as they are, at strides, transposed, computed at once, computed block by block.
  void AddPlans(const ByteSource* source) {
    const TensorPtr whole = Tensor::Source(source, 0, Dtype::kBF16, {kRows, kColumns}).value();
    for (const TensorPtr& tensor :
         {whole, Tensor::Slice(whole, 1, 8, 72).value(), Tensor::Permute(whole, {1, 0}).value(),
          ops::Cast(whole, Dtype::kF32).value(), ops::SubtractMin(whole).value()}) {
      plans_.push_back(LowerToPlan(tensor).value());
    }
  }

  static Result<std::string> ReadAll(const ReadPlan& plan) {
    std::string bytes(plan.size(), '\0');
    SHARDFS_RETURN_IF_ERROR(plan.ReadAt(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  // Each kind of plan is the first to meet each change, with pages that were mapped before it and without.
  void ExpectErrors(std::span<const Change> changes) {
    int applied = 0;
    for (const Change& change : changes) {
      for (std::size_t first = 0; first < 2 * plans_.size(); ++first) {
        SCOPED_TRACE(std::string(change.name) + ", plan " + std::to_string(first));
        ASSERT_NO_FATAL_FAILURE(Open());
        const ReadPlan& plan = plans_[first % plans_.size()];
        if (first >= plans_.size()) {
          ASSERT_TRUE(ReadAll(plan).ok());
        }
        const int error = change.apply(fd_.get());
        if (error == EOPNOTSUPP) continue;
        ASSERT_EQ(error, 0);
        ++applied;
        ExpectChanged(ReadAll(plan).status());
        EXPECT_TRUE(file_->changed());
        Restore();
        for (const ReadPlan& any : plans_) ExpectChanged(ReadAll(any).status());
      }
    }
    EXPECT_GT(applied, 0);
  }

  static void ExpectChanged(const Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kSourceChanged) << status;
    EXPECT_EQ(ToErrno(status.code()), EIO);
    EXPECT_THAT(std::string(status.message()), HasSubstr("'file'"));
  }

  ScratchDirectory directory_;
  std::string content_;
  FileDescriptor fd_;  // may write
  std::unique_ptr<FileSource> file_;
  std::unique_ptr<UnmappedView> unmapped_;
  std::vector<ReadPlan> plans_;  // first those of the mapped source, then those of the other
};

class FaultF1 : public SourceChanges {};
class FaultF2 : public SourceChanges {};
class FaultF4Mapped : public SourceChanges {};

TEST_F(FaultF1, EveryTruncationFailsEveryKindOfRead) { ExpectErrors(kTruncations); }

TEST_F(FaultF2, EveryChangeInPlaceFailsEveryKindOfRead) { ExpectErrors(kChangesInPlace); }

// What a failing device does to a mapping: SIGBUS, of a file that is as it was.
TEST_F(FaultF4Mapped, APageThatCannotBeReadIsAnErrorOfThatReadOnly) {
  std::vector<std::string> expected;
  for (const ReadPlan& plan : plans_) expected.push_back(ReadAll(plan).value());
  struct stat as_it_was = {};
  ASSERT_EQ(::fstat(fd_.get(), &as_it_was), 0);
  ASSERT_EQ(::ftruncate(fd_.get(), 5 * kPage), 0);
  PlanFstat(as_it_was);
  for (const std::size_t mapped : {kStrided, kTransposed, kComputed}) {
    for (int round = 0; round < 3; ++round) {
      const Status status = ReadAll(plans_[mapped]).status();
      EXPECT_EQ(status.code(), StatusCode::kIoError) << "plan " << mapped << ": " << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("mapped page"));
    }
  }
  EXPECT_FALSE(file_->changed());
  Restore();
  SystemCallsAsUsual();
  for (std::size_t i = 0; i < plans_.size(); ++i) EXPECT_EQ(ReadAll(plans_[i]).value(), expected[i]) << "plan " << i;
}

// What is found once, by a read, and used by all later ones.
TEST_F(FaultF4Mapped, AMinimumIsNotTakenFromAReadThatFailed) {
  const std::string expected = ReadAll(plans_.back()).value();
  for (std::size_t bad = 0; bad < 3; ++bad) {
    ASSERT_NO_FATAL_FAILURE(Open());
    PlanPreads([bad](std::size_t number) { return PreadOutcome{.error = number == bad ? EIO : 0}; });
    EXPECT_EQ(ReadAll(plans_.back()).status().code(), StatusCode::kIoError) << "read " << bad;
    EXPECT_EQ(ReadAll(plans_.back()).value(), expected) << "read " << bad;
    SystemCallsAsUsual();
  }
}

}  // namespace
}  // namespace shardfs::testing
