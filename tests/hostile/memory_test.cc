// F6: no memory, at each allocation in turn: opening a checkpoint, building the view, planning a materialization and
// reading every file. The outcome is a Status or, above the layers that turn it into one, bad_alloc, which main() and
// the file system's operations answer; never a crash, and nothing stays allocated.
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <filesystem>
#include <iostream>
#include <new>
#include <vector>

#include "layout/huggingface/huggingface_reader.h"
#include "layout/mindie/mindie_layout.h"
#include "shardfs/materialize/materialize_plan.h"
#include "source/scratch_directory.h"
#include "tools/allocations.h"
#include "tools/checkpoint_writer.h"
#include "tools/deepseek_config.h"

namespace shardfs::testing {
namespace {

struct Outcome {
  StatusCode code = StatusCode::kOk;
  bool thrown = false;
  std::string message;
};

class FaultF6 : public ::testing::Test {
 protected:
  void SetUp() override {
    tools::CheckpointOptions options;
    options.shape = tools::FindPreset("tiny")->shape;
    options.shape.layers = 4;
    options.files = 2;
    source_ = (scratch_ / "source").string();
    ASSERT_TRUE(tools::WriteCheckpoint(source_, options).ok());
    ASSERT_TRUE(Everything().ok());  // and with it, what is made once for the whole process
  }

  Status Everything() const {
    SHARDFS_ASSIGN_OR_RETURN(const CheckpointPtr checkpoint, HuggingfaceReader().Open(source_, OptionValues()));
    MindieRequest options;
    options.parallel = {.dp = 1, .tp = 1, .moe_tp = 1, .moe_ep = 1};
    SHARDFS_ASSIGN_OR_RETURN(const View view, BuildMindieView(checkpoint, options));
    SHARDFS_ASSIGN_OR_RETURN(const MaterializePlan plan, MaterializePlan::Create(view.tree, std::nullopt, source_,
                                                                                 (scratch_ / "destination").string()));
    std::vector<std::byte> buffer(64 << 10);
    for (const PlannedFile& planned : plan.files()) {
      for (std::uint64_t offset = 0; offset < planned.file->size(); offset += buffer.size()) {
        const auto part =
            std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), planned.file->size() - offset));
        SHARDFS_RETURN_IF_ERROR(planned.file->ReadAt(offset, part));
      }
    }
    return Status::Ok();
  }

  // Everything, with the nth allocation failing; checks what must hold however it ends.
  Outcome Run(std::uint64_t nth, Failing failing) {
    const std::size_t before = LiveBytes();
    Outcome outcome;
    StartCounting(nth, failing);
    try {
      const Status status = Everything();
      StopCounting();  // reading the message is no part of it
      outcome.code = status.code();
      outcome.message = status.message();
    } catch (const std::bad_alloc&) {
      StopCounting();
      outcome.thrown = true;
    }
    const bool failed = AnAllocationFailed();
    if (failed && !outcome.thrown && outcome.code != StatusCode::kOk) {
      EXPECT_EQ(outcome.code, StatusCode::kResourceExhausted) << "allocation " << nth << ": " << outcome.message;
    }
    EXPECT_TRUE(failed || outcome.code == StatusCode::kOk) << outcome.message;
    std::string().swap(outcome.message);
    EXPECT_EQ(LiveBytes(), before) << "allocation " << nth << " leaves memory behind";
    return outcome;
  }

  // Allocation 1, 2, 3 and so on, until everything succeeds because that many are not made.
  void LoopUntilSuccess(Failing failing) {
    std::uint64_t failures = 0;
    for (std::uint64_t nth = 1; !HasFatalFailure() && !HasNonfatalFailure(); ++nth) {
      const Outcome outcome = Run(nth, failing);
      if (!AnAllocationFailed()) break;
      failures += outcome.thrown || outcome.code != StatusCode::kOk ? 1 : 0;
    }
    if (!HasFailure()) std::cout << failures << " failed allocations, each a clean error\n";
    EXPECT_GT(failures, 1000u);
  }

  // One thread: the nth allocation is then the same one each time.
  tbb::global_control one_thread_{tbb::global_control::max_allowed_parallelism, 1};
  ScratchDirectory scratch_;
  std::string source_;
};

TEST_F(FaultF6, AnyOneAllocationThatFails) { LoopUntilSuccess(Failing::kOne); }

TEST_F(FaultF6, NoMemoryFromAnyAllocationOn) { LoopUntilSuccess(Failing::kAllFromThen); }

TEST_F(FaultF6, ReadingAllocatesNothing) {
  const auto checkpoint = HuggingfaceReader().Open(source_, OptionValues());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  MindieRequest options;
  options.parallel = {.dp = 1, .tp = 2, .moe_tp = 2, .moe_ep = 1};
  const auto view = BuildMindieView(*checkpoint, options);
  ASSERT_TRUE(view.ok()) << view.status();
  std::vector<std::byte> buffer(64 << 10);
  for (NodeId id = 0; id < view->tree->size(); ++id) {
    const VirtualNode& node = view->tree->node(id);
    if (node.is_directory() || node.file->kind() != FileKind::kTensors) continue;
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), node.file->size()));
    ASSERT_TRUE(node.file->ReadAt(0, part).ok());
    StartCounting();
    const Status again = node.file->ReadAt(node.file->size() - part.size(), part);
    EXPECT_EQ(StopCounting(), 0u) << view->tree->PathOf(id);
    EXPECT_TRUE(again.ok()) << again;
  }
}

}  // namespace
}  // namespace shardfs::testing
