// A directory that a test changes, and what `shardfs verify` says about it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {

// A safetensors file taken apart.
struct TensorFile {
  nlohmann::ordered_json header;
  std::string data;

  static TensorFile Read(const std::filesystem::path& path) {
    const std::string bytes = ReadFile(path);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    return {nlohmann::ordered_json::parse(bytes.substr(8, length)), bytes.substr(8 + length)};
  }
  void Write(const std::filesystem::path& path) const {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = text.size();
    std::string prefix(8, '\0');
    std::memcpy(prefix.data(), &length, sizeof(length));
    WriteFile(path, prefix + text + data);
  }
};

class VerifyFixture : public ::testing::Test {
 protected:
  using json = nlohmann::json;

  // A copy of what the reference wrote.
  VerifyFixture() {
    std::filesystem::copy(GoldenCase() + "/expected", out_, std::filesystem::copy_options::recursive);
    std::filesystem::permissions(out_, std::filesystem::perms::owner_all, std::filesystem::perm_options::add);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(out_)) {
      std::filesystem::permissions(entry.path(),
                                   entry.is_directory() ? std::filesystem::perms(0755) : std::filesystem::perms(0644));
    }
  }

  ProgramResult Verify(std::vector<std::string> more = {}) {
    more.insert(more.begin(), out_);
    return RunShardfs(GoldenArguments("verify", more));
  }

  void ExpectEqual(const std::vector<std::string>& more = {}) {
    const ProgramResult result = Verify(more);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_NE(result.out.find(": equal"), std::string::npos) << result.out;
    EXPECT_EQ(WithoutProgress(result.err), "");
  }

  // The differences, which must be found.
  json Differences(std::vector<std::string> more = {}) {
    more.push_back("--json");
    const ProgramResult result = Verify(more);
    EXPECT_EQ(result.exit_code, 4) << result.err;
    EXPECT_EQ(WithoutProgress(result.err), "");
    const json report = json::parse(result.out, nullptr, false);
    if (report.is_discarded()) {
      ADD_FAILURE() << result.out;
      return json::array();
    }
    EXPECT_EQ(report["equal"], false);
    return report["differences"];
  }

  // The one difference, which must be of this file and kind.
  json OnlyDifference(const std::string& path, const std::string& kind, const std::vector<std::string>& more = {}) {
    const json differences = Differences(more);
    if (differences.size() != 1) {
      ADD_FAILURE() << differences.dump(2);
      return json::object();
    }
    EXPECT_EQ(differences[0]["path"], path);
    EXPECT_EQ(differences[0]["kind"], kind) << differences[0]["message"];
    return differences[0];
  }

  std::filesystem::path At(const std::string& path) const { return std::filesystem::path(out_) / path; }

  void EditBytes(const std::string& path, const std::function<void(std::string&)>& edit) {
    std::string bytes = ReadFile(At(path));
    edit(bytes);
    WriteFile(At(path), bytes);
  }

  void EditTensors(const std::string& path, const std::function<void(TensorFile&)>& edit) {
    TensorFile file = TensorFile::Read(At(path));
    edit(file);
    file.Write(At(path));
  }

  TemporaryDirectory root_;
  const std::string out_ = root_ / "out";
};

inline constexpr const char* kNormFile = "model-norm/model.safetensors";
inline constexpr const char* kAttentionFile = "model-attn-tp-001/model.safetensors";

}  // namespace shardfs
