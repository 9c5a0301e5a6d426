// A checkpoint written for one test, and the mindie layout over it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "layout/golden_case.h"
#include "layout/mindie/mindie_layout.h"
#include "tools/checkpoint_writer.h"
#include "tools/deepseek_config.h"

namespace shardfs::testing {

class MindieFixture : public ::testing::Test {
 protected:
  MindieFixture() {
    shape_ = tools::FindPreset("tiny")->shape;
    options_.parallel.dp = 2;
    options_.parallel.tp = 2;
    options_.parallel.moe_tp = 2;
    options_.parallel.moe_ep = 2;
  }
  ~MindieFixture() override { std::filesystem::remove_all(directory_); }

  // Writes a checkpoint of shape_ with the tensors that `edit` leaves, and gives what the layout makes of it.
  Result<View> Build(const std::function<void(std::vector<NewTensor>*)>& edit = [](auto*) {}) {
    std::filesystem::remove_all(directory_);
    std::vector<NewTensor> tensors = tools::CheckpointTensors(shape_, quantisation_);
    edit(&tensors);
    tools::CheckpointOptions options;
    options.shape = shape_;
    options.quantisation = quantisation_;
    options.files = 2;
    const auto written = tools::WriteCheckpoint(directory_, options, tensors);
    EXPECT_TRUE(written.ok()) << written.status();
    return BuildWritten();
  }

  Result<View> BuildWritten() {
    const Result<CheckpointPtr> checkpoint = OpenSource(directory_);
    if (!checkpoint.ok()) return checkpoint.status();
    return BuildMindieView(*checkpoint, options_);
  }

  // The same with one edit of config.json's text.
  Result<View> BuildWithConfig(const std::string& from, const std::string& to) {
    const auto first = Build();
    EXPECT_TRUE(first.ok()) << first.status();
    std::string config = ReadFile(std::filesystem::path(directory_) / "config.json");
    const std::size_t at = config.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    config.replace(at, from.size(), to);
    std::ofstream(std::filesystem::path(directory_) / "config.json") << config;
    return BuildWritten();
  }

  // Where the bytes of a tensor lie; without a source when the checkpoint does not have it.
  static SourceSpan PlaceOf(const Checkpoint& checkpoint, const std::string& name) {
    const auto index = checkpoint.tensors().Find(name);
    return index ? checkpoint.tensors().SpanOf(*index).value_or(SourceSpan()) : SourceSpan();
  }

  static NewTensor& Named(std::vector<NewTensor>* tensors, const std::string& name) {
    const auto at =
        std::find_if(tensors->begin(), tensors->end(), [&](const NewTensor& tensor) { return tensor.name == name; });
    EXPECT_NE(at, tensors->end()) << name;
    return *at;
  }

  static void Remove(std::vector<NewTensor>* tensors, const std::string& name) {
    EXPECT_EQ(std::erase_if(*tensors, [&](const NewTensor& tensor) { return tensor.name == name; }), 1u) << name;
  }

  static void ExpectRefused(const Result<View>& result, int exit_code, const std::string& first,
                            const std::string& second) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(ToExitCode(result.status().code()), exit_code) << result.status();
    EXPECT_NE(result.status().message().find(first), std::string_view::npos) << result.status();
    EXPECT_NE(result.status().message().find(second), std::string_view::npos) << result.status();
  }

  // The names of the tensors in the files of one folder, in data order.
  static std::vector<std::string> TensorsIn(const VirtualTree& tree, const std::string& folder) {
    std::vector<std::string> names;
    NodeId id = 0;
    const VirtualNode* node = tree.FindChild(kRootNode, folder, &id);
    EXPECT_NE(node, nullptr) << folder;
    if (node == nullptr) return names;
    for (const NodeId child : node->children) {
      for (const FileTensor& tensor : tree.node(child).file->tensors()) names.push_back(tensor.name);
    }
    return names;
  }

  tools::DeepSeekShape shape_;
  tools::Quantisation quantisation_;
  MindieRequest options_;
  std::string directory_ =
      ::testing::TempDir() + "shardfs_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

}  // namespace shardfs::testing
