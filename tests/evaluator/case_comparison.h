// What tests of random cases share: a directory to work in, and a tree held against the evaluator's directory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "evaluator/mindie_evaluator.h"
#include "evaluator/sorted_json.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs::evaluator {

inline std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "shardfs-random-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch directory");
    path_ = pattern;
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string ReadAll(const VirtualFile& file) {
  std::string bytes(file.size(), '\0');
  const Status status = file.ReadAt(0, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

// The first tensor of a file whose bytes differ, for the message.
inline std::string WhatDiffers(const VirtualFile& file, const std::string& shown, const std::string& expected) {
  if (shown.size() != expected.size()) {
    return "size " + std::to_string(shown.size()) + ", expected " + std::to_string(expected.size());
  }
  std::size_t at = 0;
  while (at < shown.size() && shown[at] == expected[at]) ++at;
  for (const FileTensor& tensor : file.tensors()) {
    if (at >= tensor.begin && at < tensor.end) {
      return tensor.name + " " + std::string(DtypeName(tensor.dtype)) + ShapeToString(tensor.shape) + " at byte " +
             std::to_string(at - tensor.begin);
    }
  }
  const std::size_t start = at < 100 ? 0 : at - 100;
  return "at byte " + std::to_string(at) + ":\n" + shown.substr(start, 200) + "\nexpected\n" +
         expected.substr(start, 200);
}

using Differences = std::vector<std::string>;

inline void CompareFile(const std::string& path, const VirtualFile& file, const Directory& expected,
                        Differences* differences) {
  const std::string shown = ReadAll(file);
  if (path == "model_sharded_metadata.json") {
    const JsonValue metadata = ParseJson(shown, path).value();
    for (const auto& [key, value] : expected.metadata.members()) {
      const JsonValue* shown_value = metadata.Find(key);
      const std::string got = shown_value == nullptr ? "missing" : Sorted(*shown_value);
      const std::string wanted = Sorted(value);
      if (got == wanted) continue;
      const std::size_t same = static_cast<std::size_t>(
          std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end()).first - got.begin());
      differences->push_back(path + ": " + key + " has ..." + got.substr(same, 100) + ", expected ..." +
                             wanted.substr(same, 100));
    }
    return;
  }
  const auto found = expected.files.find(path);
  if (found == expected.files.end()) {
    differences->push_back(path + " should not be there");
  } else if (shown != found->second) {
    differences->push_back(path + " differs: " + WhatDiffers(file, shown, found->second));
  }
}

inline Differences Compare(const VirtualTree& tree, const Directory& expected) {
  Differences differences;
  std::set<std::string> missing = expected.folders;
  for (const auto& [path, bytes] : expected.files) missing.insert(path);
  missing.insert("model_sharded_metadata.json");
  for (NodeId id = 1; id < tree.size(); ++id) {
    const std::string path = tree.PathOf(id);
    missing.erase(path);
    if (!tree.node(id).is_directory()) {
      CompareFile(path, *tree.node(id).file, expected, &differences);
    } else if (!expected.folders.contains(path)) {
      differences.push_back(path + " should not be there");
    }
  }
  for (const std::string& path : missing) differences.push_back(path + " is missing");
  return differences;
}

}  // namespace shardfs::evaluator
