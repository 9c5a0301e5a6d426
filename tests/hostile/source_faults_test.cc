// F4, F5, F19, F20: what a source's device and clock can do to a read. The bytes are right, or that read is an error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "hostile/system_calls.h"
#include "shardfs/checkpoint/safetensors_directory.h"
#include "shardfs/tensor/read_plan.h"
#include "source/scratch_directory.h"
#include "tensor/ops/cast.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kRows = 96;
constexpr std::uint64_t kColumns = 64;
constexpr std::size_t kBytes = kRows * kColumns * 2;

// A source as FileSource reads it where it cannot be mapped.
class UnmappedSource final : public ByteSource {
 public:
  explicit UnmappedSource(std::unique_ptr<FileSource> file) : file_(std::move(file)) {}
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    return file_->ReadAt(offset, destination);
  }
  Status CheckUnchanged() const override { return file_->CheckUnchanged(); }
  std::uint64_t size() const override { return file_->size(); }
  const std::string& name() const override { return file_->name(); }

 private:
  std::unique_ptr<FileSource> file_;
};

class SourceFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string bytes;
    for (std::size_t i = 0; i < kBytes; ++i) bytes += static_cast<char>(i * 7 % 251);
    directory_.Write("a.safetensors", bytes);
    auto file = FileSource::Open(directory_.fd(), "a.safetensors");
    ASSERT_TRUE(file.ok()) << file.status();
    source_ = std::make_unique<UnmappedSource>(std::move(*file));
    // The three ways to bytes: as they are, at strides, computed.
    const TensorPtr whole = Tensor::Source(source_.get(), 0, Dtype::kBF16, {kRows, kColumns}).value();
    for (const TensorPtr& tensor : {whole, Tensor::Slice(whole, 1, 8, 40).value(),
                                    Tensor::Permute(whole, {1, 0}).value(), ops::Cast(whole, Dtype::kF32).value()}) {
      plans_.push_back(LowerToPlan(tensor).value());
      expected_.push_back(ReadAll(plans_.back()).value());
    }
  }
  void TearDown() override { SystemCallsAsUsual(); }

  static Result<std::string> ReadAll(const ReadPlan& plan) {
    std::string bytes(plan.size(), '\0');
    SHARDFS_RETURN_IF_ERROR(plan.ReadAt(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  void ExpectRightBytes(const std::string& trace) {
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      const auto bytes = ReadAll(plans_[i]);
      ASSERT_TRUE(bytes.ok()) << trace << ", plan " << i << ": " << bytes.status();
      EXPECT_EQ(*bytes, expected_[i]) << trace << ", plan " << i;
    }
  }

  ScratchDirectory directory_;
  std::unique_ptr<UnmappedSource> source_;
  std::vector<ReadPlan> plans_;
  std::vector<std::string> expected_;
};

class FaultF4 : public SourceFaults {};

TEST_F(FaultF4, ASporadicReadErrorFailsThatReadOnly) {
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    PlanPreads([](std::size_t number) { return PreadOutcome{.error = number == 0 ? EIO : 0}; });
    const auto failed = ReadAll(plans_[i]);
    EXPECT_EQ(failed.status().code(), StatusCode::kIoError);
    EXPECT_EQ(ToErrno(failed.status().code()), EIO);
    EXPECT_THAT(std::string(failed.status().message()), HasSubstr("a.safetensors"));
    EXPECT_THAT(std::string(failed.status().message()), HasSubstr("Input/output error"));
    const auto next = ReadAll(plans_[i]);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(*next, expected_[i]);
  }
}

TEST_F(FaultF4, EveryReadErrorInTheMiddleOfARangeFailsTheWholeRange) {
  for (const ReadPlan& plan : plans_) {
    std::size_t calls = 0;
    PlanPreads([&](std::size_t) { return ++calls, PreadOutcome{}; });
    ASSERT_TRUE(ReadAll(plan).ok());
    ASSERT_GT(calls, 0u);
    for (std::size_t bad = 0; bad < calls; bad += 1 + calls / 64) {
      PlanPreads([bad](std::size_t number) { return PreadOutcome{.error = number == bad ? EIO : 0}; });
      EXPECT_EQ(ReadAll(plan).status().code(), StatusCode::kIoError) << bad << " of " << calls;
    }
  }
}

TEST_F(FaultF4, APermanentReadErrorFailsEveryReadAndNothingElse) {
  PlanPreads([](std::size_t) { return PreadOutcome{.error = EIO}; });
  for (int round = 0; round < 3; ++round) {
    for (const ReadPlan& plan : plans_) EXPECT_EQ(ReadAll(plan).status().code(), StatusCode::kIoError);
  }
  SystemCallsAsUsual();
  ExpectRightBytes("after the device has come back");
}

TEST_F(FaultF4, AnErrorOfTheHeadersReadRefusesTheCheckpointByName) {
  directory_.WriteShard("a.safetensors", {"t"});
  PlanPreads([](std::size_t) { return PreadOutcome{.error = EIO}; });
  const auto checkpoint = SafetensorsDirectory::Open(directory_.path().string());
  EXPECT_EQ(checkpoint.status().code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(checkpoint.status().message()), HasSubstr("'a.safetensors'"));
}

// A service manager tries again what a file system over the network does not answer yet, and takes damage for final.
TEST_F(FaultF4, AFileSystemThatFailsIsNoDamageOfTheCheckpoint) {
  directory_.WriteShard("a.safetensors", {"t"});
  directory_.Write("config.json", "{}");
  for (const int error : {EIO, ESTALE, ENOTCONN, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, ECONNRESET, ENODEV}) {
    for (const bool of_names : {true, false}) {
      if (of_names) PlanFstatatError(error);
      if (!of_names) PlanPreads([error](std::size_t) { return PreadOutcome{.error = error}; });
      const auto checkpoint = SafetensorsDirectory::Open(directory_.path().string());
      EXPECT_EQ(ToExitCode(checkpoint.status().code()), 1) << checkpoint.status();
      SystemCallsAsUsual();
    }
  }
  EXPECT_TRUE(SafetensorsDirectory::Open(directory_.path().string()).ok());
}

class FaultF5 : public SourceFaults {};

TEST_F(FaultF5, ShortReadsGiveTheSameBytes) {
  for (const std::size_t most : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{61}, std::size_t{4096}}) {
    PlanPreads([most](std::size_t) { return PreadOutcome{.most = most}; });
    ExpectRightBytes("at most " + std::to_string(most) + " bytes");
  }
}

TEST_F(FaultF5, InterruptedReadsGiveTheSameBytes) {
  PlanPreads([](std::size_t number) { return PreadOutcome{.error = number % 3 != 2 ? EINTR : 0}; });
  ExpectRightBytes("two of three interrupted");
}

TEST_F(FaultF5, InterruptedAndShortReadsOfHeadersGiveTheSameCheckpoint) {
  directory_.WriteShard("a.safetensors", {"t", "u", "v"});
  PlanPreads([](std::size_t number) { return PreadOutcome{.most = 1, .error = number % 2 == 0 ? EINTR : 0}; });
  const auto checkpoint = SafetensorsDirectory::Open(directory_.path().string());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->tensors().specs().size(), 3u);
}

TEST_F(FaultF5, AReadThatEndsEarlyIsAChangedSourceAndNoZeros) {
  PlanPreads([](std::size_t) { return PreadOutcome{.most = 0}; });
  EXPECT_EQ(ReadAll(plans_[0]).status().code(), StatusCode::kSourceChanged);
  SystemCallsAsUsual();
  EXPECT_EQ(ReadAll(plans_[0]).status().code(), StatusCode::kSourceChanged) << "a change is not forgotten";
}

class FaultF20 : public SourceFaults {
 protected:
  void SetTime(const struct timespec& time) const {
    const struct timespec times[2] = {time, time};
    ASSERT_EQ(::utimensat(directory_.fd(), "b.safetensors", times, 0), 0);
  }
};

TEST_F(FaultF20, TimesInTheFutureAndOfWholeSecondsAreNoChange) {
  for (const struct timespec time : {timespec{.tv_sec = 7'000'000'000, .tv_nsec = 5},
                                     timespec{.tv_sec = 1'000, .tv_nsec = 0}, timespec{.tv_sec = 0, .tv_nsec = 0}}) {
    directory_.Write("b.safetensors", "0123456789");
    SetTime(time);
    const auto file = FileSource::Open(directory_.fd(), "b.safetensors");
    ASSERT_TRUE(file.ok()) << file.status();
    for (int round = 0; round < 3; ++round) {
      std::string bytes(10, '\0');
      const Status status = (*file)->ReadAt(0, std::as_writable_bytes(std::span(bytes)));
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(bytes, "0123456789");
    }
    EXPECT_FALSE((*file)->changed());
  }
}

TEST_F(FaultF20, AStaleHandleIsAnErrorOfTheReadAndNoChange) {
  PlanPreads([](std::size_t) { return PreadOutcome{.error = ESTALE}; });
  const auto failed = ReadAll(plans_[0]);
  EXPECT_EQ(failed.status().code(), StatusCode::kIoError);
  EXPECT_EQ(ToErrno(failed.status().code()), EIO);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("Stale file handle"));
  SystemCallsAsUsual();
  ExpectRightBytes("after the server has come back");
}

TEST_F(FaultF20, AStaleHandleOfTheGuardIsAnErrorOfTheReadAndNoChange) {
  PlanFstatError(ESTALE);
  const auto failed = ReadAll(plans_[0]);
  EXPECT_EQ(failed.status().code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("Stale file handle"));
  SystemCallsAsUsual();
  ExpectRightBytes("after the server has come back");
}

// Whoever may write into the directory can do so between the look at a file and its opening, which must neither wait
// for the writer of a FIFO nor take one for a source.
TEST(FaultF19, AFifoThatTakesTheNameOfAFileWhileItIsOpened) {
  const ScratchDirectory directory;
  directory.Write("a.safetensors", "0123456789");
  PlanAfterFstatat([&directory] {
    ASSERT_TRUE(std::filesystem::remove(directory / "a.safetensors"));
    ASSERT_EQ(::mkfifo((directory / "a.safetensors").c_str(), 0600), 0);
  });
  ::alarm(30);  // ends the program, should it wait
  const auto file = FileSource::Open(directory.fd(), "a.safetensors");
  ::alarm(0);
  SystemCallsAsUsual();
  EXPECT_EQ(file.status().code(), StatusCode::kCorruption);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("'a.safetensors' is not a regular file"));
}

// Opens a checkpoint of 163 files in a process whose limits are these; exits with 0 when it says what it should.
[[noreturn]] void OpenUnderLimits(const std::string& directory, rlim_t soft, rlim_t hard) {
  const rlimit limit{.rlim_cur = soft, .rlim_max = hard};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto checkpoint = SafetensorsDirectory::Open(directory);
  if (hard > 163) std::_Exit(checkpoint.ok() && (*checkpoint)->files().size() == 163 ? 0 : 1);
  const std::string message(checkpoint.status().message());
  const bool named = message.find("163 files") != message.npos && message.find(std::to_string(hard)) != message.npos &&
                     message.find("ulimit") != message.npos;
  std::_Exit(checkpoint.status().code() == StatusCode::kResourceExhausted && named ? 0 : 1);
}

TEST(FaultF7, ALowSoftLimitOnOpenFilesIsRaisedAndALowHardOneIsNamed) {
  const ScratchDirectory directory;
  for (int i = 100; i < 263; ++i) {
    directory.WriteShard(std::to_string(i) + ".safetensors", {"t" + std::to_string(i)});
  }
  EXPECT_EXIT(OpenUnderLimits(directory.path().string(), 64, 1024), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(OpenUnderLimits(directory.path().string(), 64, 64), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shardfs::testing
