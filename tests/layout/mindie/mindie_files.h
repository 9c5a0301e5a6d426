// Files of a checkpoint and of a view, as text, for tests of what the mindie layout makes of JSON.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "layout/mindie/mindie_fixture.h"
#include "shardfs/base/json.h"

namespace shardfs::testing {

class MindieFilesFixture : public MindieFixture {
 protected:
  std::filesystem::path At(const std::string& name) const { return std::filesystem::path(directory_) / name; }

  // Replaces a JSON file of the checkpoint by what `edit` makes of its members.
  void EditJson(const std::string& name, const std::function<void(std::vector<JsonMember>*)>& edit) const {
    const auto json = ParseJson(ReadFile(At(name)), name);
    ASSERT_TRUE(json.ok()) << json.status();
    std::vector<JsonMember> members = json->members();
    edit(&members);
    std::ofstream(At(name)) << DumpPythonJson(JsonValue::Object(std::move(members)));
  }

  void SetMember(const std::string& file, const std::string& key, const std::string& json_value) const {
    const auto value = ParseJson(json_value, "value");
    ASSERT_TRUE(value.ok()) << value.status();
    EditJson(file, [&](auto* members) {
      std::erase_if(*members, [&](const JsonMember& member) { return member.first == key; });
      members->emplace_back(key, *value);
    });
  }

  void RemoveMember(const std::string& file, const std::string& key) const {
    EditJson(file, [&](auto* members) {
      EXPECT_EQ(std::erase_if(*members, [&](const JsonMember& member) { return member.first == key; }), 1u) << key;
    });
  }

  // A file of the view's root; empty when there is none.
  static std::string Shown(const VirtualTree& tree, const std::string& name) {
    const VirtualNode* node = tree.FindChild(kRootNode, name, nullptr);
    if (node == nullptr || node->is_directory()) return {};
    std::vector<std::byte> bytes(node->file->size());
    EXPECT_TRUE(node->file->ReadAt(0, bytes).ok()) << name;
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  static JsonValue ShownJson(const VirtualTree& tree, const std::string& name) {
    const auto json = ParseJson(Shown(tree, name), name);
    EXPECT_TRUE(json.ok()) << json.status();
    return json.ok() ? *json : JsonValue::Null();
  }

  // How many of the warnings hold `part`.
  static auto WarningsWith(const View& result, const std::string& part) {
    return std::count_if(result.warnings.begin(), result.warnings.end(),
                         [&](const std::string& warning) { return warning.find(part) != std::string::npos; });
  }

  // Every file of the view but those named, one behind the other.
  static std::string BytesWithout(const VirtualTree& tree, const std::vector<std::string>& names) {
    std::string all;
    for (NodeId id = 0; id < tree.size(); ++id) {
      const VirtualNode& node = tree.node(id);
      if (node.is_directory() || std::find(names.begin(), names.end(), node.name) != names.end()) continue;
      std::vector<std::byte> bytes(node.file->size());
      EXPECT_TRUE(node.file->ReadAt(0, bytes).ok()) << node.name;
      all += node.name;
      all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return all;
  }
};

}  // namespace shardfs::testing
