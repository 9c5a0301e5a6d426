// Random checkpoints: the layout's whole view against the evaluator's directory, every byte of it.
// SHARDFS_RANDOM_CASES: how many; SHARDFS_RANDOM_FIRST: the seed of the first, to repeat one that failed.
#include "evaluator/random_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "evaluator/layout_options.h"
#include "evaluator/sorted_json.h"
#include "layout/huggingface/huggingface_reader.h"
#include "layout/mindie/mindie_layout.h"

namespace shardfs::evaluator {
namespace {
namespace fs = std::filesystem;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "shardfs-random-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch directory");
    path_ = pattern;
  }
  ~Scratch() { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string ReadAll(const VirtualFile& file) {
  std::string bytes(file.size(), '\0');
  const Status status = file.ReadAt(0, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

// The first tensor of a file whose bytes differ, for the message.
std::string WhatDiffers(const VirtualFile& file, const std::string& shown, const std::string& expected) {
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

void CompareFile(const std::string& path, const VirtualFile& file, const Directory& expected,
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

Differences Compare(const VirtualTree& tree, const Directory& expected) {
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

struct Outcome {
  bool refused = false;  // by the evaluator
  bool layout_refused = false;
  Differences differences;
};

Outcome RunCase(RandomNumbers* random, const RandomCase& random_case) {
  const Scratch scratch;
  WriteSource(random, random_case, scratch.path());
  std::optional<Directory> expected;
  std::string reason;
  try {
    expected = Evaluate(scratch.path(), random_case.given);
  } catch (const Refused& refused) {
    reason = refused.what();
  }
  const auto checkpoint = HuggingfaceReader().Open(scratch.path(), OptionValues());
  if (!checkpoint.ok()) return {!expected, true, {checkpoint.status().ToString()}};
  const auto layout = BuildMindieView(*checkpoint, OptionsForLayout(random_case.given));
  if (!expected && layout.ok()) return {true, false, {"should be refused: " + reason}};
  if (!expected) return {true, true, {}};
  if (!layout.ok()) return {false, true, {"is refused: " + layout.status().ToString()}};
  return {false, false, Compare(*layout->tree, *expected)};
}

std::string Message(std::uint64_t seed, const RandomCase& random_case, const Outcome& outcome) {
  std::string message = "seed " + std::to_string(seed) + ": " + random_case.ToString();
  for (std::size_t i = 0; i < std::min<std::size_t>(outcome.differences.size(), 6); ++i) {
    message += "\n  " + outcome.differences[i];
  }
  return message;
}

void RunCases(bool quantised, Fidelity fidelity) {
  const std::uint64_t first = FromEnvironment("SHARDFS_RANDOM_FIRST", 1);
  const std::uint64_t count = FromEnvironment("SHARDFS_RANDOM_CASES", 40);
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    RandomNumbers random(seed);
    RandomCase random_case = ChooseCase(&random, quantised, fidelity);
    MakeTensors(&random, &random_case);
    const Outcome outcome = RunCase(&random, random_case);
    if (outcome.refused) ++refused;
    if (outcome.differences.empty()) continue;
    ++failed;
    ADD_FAILURE() << Message(seed, random_case, outcome);
  }
  std::cout << count << " cases, of them refused: " << refused << "\n";
  EXPECT_LE(refused * 4, count + 10) << "too few cases were compared";
}

TEST(RandomCaseTest, FloatAsTheSharderWrites) { RunCases(false, Fidelity::kSharder); }
TEST(RandomCaseTest, FloatAsTheLoaderNeeds) { RunCases(false, Fidelity::kLoader); }
TEST(RandomCaseTest, QuantisedAsTheSharderWrites) { RunCases(true, Fidelity::kSharder); }
TEST(RandomCaseTest, QuantisedAsTheLoaderNeeds) { RunCases(true, Fidelity::kLoader); }

// Damaged sources: whatever the evaluator refuses, the layout must refuse; it may refuse more, and what it shows must
// be right.
TEST(RandomCaseTest, DamageIsRefusedOrHarmless) {
  const std::uint64_t first = FromEnvironment("SHARDFS_RANDOM_FIRST", 1);
  const std::uint64_t count = FromEnvironment("SHARDFS_RANDOM_CASES", 40);
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    RandomNumbers random(seed);
    RandomCase random_case =
        ChooseCase(&random, random.Chance(80), random.Chance(50) ? Fidelity::kSharder : Fidelity::kLoader);
    MakeTensors(&random, &random_case);
    const std::string damage = Damage(&random, &random_case);
    const Outcome outcome = RunCase(&random, random_case);
    if (outcome.layout_refused || outcome.differences.empty()) continue;
    ++failed;
    ADD_FAILURE() << Message(seed, random_case, outcome) << "\n  damage: " << damage;
  }
}

}  // namespace
}  // namespace shardfs::evaluator
