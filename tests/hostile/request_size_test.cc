// F21: READ requests as large as kernels with 64 KiB pages send them (256 pages: 16 MiB), anywhere in a file; and F16:
// an OPEN that nobody waits for any more. Called without a kernel: libfuse's ends of a request are wrapped (-Wl,--wrap)
// and keep what they are given.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "fuse/filesystem.h"
#include "fuse/operations.h"
#include "fuse/read_request.h"
#include "fuse/read_scheduler.h"
#include "shardfs/view/virtual_file.h"
#include "shardfs/view/virtual_tree.h"
#include "tensor/memory_source.h"
#include "tensor/ops/cast.h"
#include "view/tree_sources.h"

namespace {

// What the operation was asked with, and answered.
void* user_data = nullptr;
std::string reply;
int reply_error = 0;
int open_outcome = 0;  // of the reply to OPEN

}  // namespace

extern "C" void* __wrap_fuse_req_userdata(fuse_req_t) { return user_data; }
extern "C" int __wrap_fuse_reply_buf(fuse_req_t, const char* bytes, std::size_t size) {
  reply.assign(bytes, size);
  return 0;
}
extern "C" int __wrap_fuse_reply_open(fuse_req_t, const fuse_file_info*) { return open_outcome; }
extern "C" int __wrap_fuse_reply_err(fuse_req_t, int error) {
  reply_error = error;
  return 0;
}

namespace shardfs::testing {
namespace {

constexpr std::size_t kLargest = std::size_t{16} << 20;

class RequestFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    // A tensor file whose bytes lie in every kind of segment, larger than one request, and its bytes as they should be.
    std::vector<std::byte> bytes(40'000'003);
    std::mt19937_64 random(21);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    source_ = std::make_shared<MemorySource>(std::move(bytes), true);
    const TensorPtr matrix = Tensor::Source(source_.get(), 3, Dtype::kBF16, {5000, 4000}).value();
    const NamedTensor tensors[] = {
        {"as it is", matrix},
        {"rows in part", Tensor::Slice(matrix, 1, 100, 1100).value()},
        {"computed", ops::Cast(Tensor::Slice(matrix, 0, 0, 600).value(), Dtype::kF32).value()},
    };
    auto file = MakeTensorFile(tensors, source_);
    ASSERT_TRUE(file.ok()) << file.status();
    expected_.resize((*file)->size());
    for (std::size_t at = 0; at < expected_.size(); at += 4096) {  // as small kernels ask
      const auto part =
          std::as_writable_bytes(std::span(expected_)).subspan(at, std::min<std::size_t>(4096, expected_.size() - at));
      ASSERT_TRUE((*file)->ReadAt(at, part).ok());
    }
    VirtualTreeBuilder builder;
    ASSERT_TRUE(builder.AddFile("model.safetensors", RankSet(), std::move(*file)).ok());
    filesystem_.tree = std::move(builder).Build();
    const auto perform = [](const ReadScheduler::Read& read) {
      ReadViewFile(read.request, read.inode, read.size, read.offset);
    };
    const auto refuse = [](const ReadScheduler::Read&, int error) { reply_error = error; };
    filesystem_.reads = std::make_unique<ReadScheduler>(filesystem_.tree, SourcesOf(*filesystem_.tree), 1, perform, refuse);
    user_data = &filesystem_;
  }
  void TearDown() override { reply.clear(); }

  void ExpectRead(std::size_t size, std::uint64_t offset) {
    reply.assign(1, '?');
    reply_error = 0;
    fuse_file_info info = {};
    Operations().read(nullptr, 2, size, static_cast<off_t>(offset), &info);
    EXPECT_EQ(reply_error, 0);
    const std::string_view rest =
        offset < expected_.size() ? std::string_view(expected_).substr(offset, size) : std::string_view();
    ASSERT_EQ(reply.size(), rest.size()) << size << " bytes at " << offset;
    EXPECT_TRUE(reply == rest) << size << " bytes at " << offset;
  }

  std::shared_ptr<MemorySource> source_;
  std::string expected_;
  Filesystem filesystem_;
};

class FaultF21 : public RequestFaults {};
class FaultF16 : public RequestFaults {};

TEST_F(FaultF16, AnOpenThatWasGivenUpIsNotCounted) {
  const auto open_files = [this] { return filesystem_.counters.open_files(); };
  fuse_file_info info = {};
  open_outcome = -ENOENT;  // the kernel has forgotten the request, and will send no RELEASE
  Operations().open(nullptr, 2, &info);
  EXPECT_EQ(open_files(), 0);
  open_outcome = 0;
  Operations().open(nullptr, 2, &info);
  EXPECT_EQ(open_files(), 1);
  Operations().release(nullptr, 2, &info);
  EXPECT_EQ(open_files(), 0);
}

TEST_F(FaultF21, TheLargestRequestsAtAnyPlace) {
  std::mt19937_64 random(16);
  ExpectRead(kLargest, 0);
  for (int i = 0; i < 12; ++i) ExpectRead(1 + random() % kLargest, random() % expected_.size());
}

TEST_F(FaultF21, RequestsThatGoBeyondTheEndAreCutThere) {
  const std::uint64_t size = expected_.size();
  for (const std::uint64_t before :
       {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{65537}, std::uint64_t{kLargest} - 1}) {
    ExpectRead(kLargest, size - before);
  }
  ExpectRead(kLargest, size);
  ExpectRead(kLargest, size + 1);
  ExpectRead(kLargest, std::uint64_t{1} << 62);
}

TEST_F(FaultF21, PagesOf64KiB) {
  for (std::uint64_t offset = 0; offset < 2 * kLargest; offset += 3 << 20) {
    ExpectRead(std::size_t{64} << 10, offset / 65536 * 65536);
  }
}

TEST_F(FaultF21, RequestsThatMakeNoSenseAreRefused) {
  fuse_file_info info = {};
  Operations().read(nullptr, 2, 1, -1, &info);
  EXPECT_EQ(reply_error, EINVAL);
  reply_error = 0;
  Operations().read(nullptr, 3, 1, 0, &info);  // beyond the view: a status file, of which there is no text
  EXPECT_EQ(reply_error, ESTALE);
  reply_error = 0;
  Operations().read(nullptr, 1, 1, 0, &info);  // the root
  EXPECT_EQ(reply_error, EINVAL);
}

}  // namespace
}  // namespace shardfs::testing
