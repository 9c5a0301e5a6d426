// `verify` on the golden cases: equal as the reference wrote them, and each of many small changes found.
#include <gtest/gtest.h>

#include <random>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_cases.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

class GoldenVerify : public ::testing::TestWithParam<GoldenCase> {
 protected:
  static ProgramResult Verify(const fs::path& directory) {
    std::vector<std::string> arguments = {"verify", GetParam().source, directory};
    for (const std::string& argument : LayoutArguments(GetParam())) arguments.push_back(argument);
    return RunShardfs(arguments);
  }

  // The files of weights, by path below the directory.
  static std::vector<std::string> WeightFiles(const fs::path& directory) {
    std::vector<std::string> files = FilesBelow(directory);
    std::erase_if(files, [](const std::string& file) { return !file.ends_with(".safetensors"); });
    return files;
  }
};

void FlipBit(const fs::path& file, std::uint64_t byte, unsigned bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(byte));
  const char flipped = static_cast<char>(stream.get() ^ (1 << bit));
  stream.seekp(static_cast<std::streamoff>(byte));
  stream.put(flipped);
}

TEST_P(GoldenVerify, TheReferencesDirectoryIsEqual) {
  const ProgramResult result = Verify(GetParam().expected);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST_P(GoldenVerify, EverySingleBitIsFound) {
  const MountableDirectory scratch;
  const fs::path copy = scratch.path() / "copy";
  fs::copy(GetParam().expected, copy, fs::copy_options::recursive);
  const std::vector<std::string> files = WeightFiles(copy);
  std::mt19937_64 random(files.size());
  for (int i = 0; i < 10; ++i) {
    const std::string& file = files[random() % files.size()];
    const std::uint64_t size = fs::file_size(copy / file);
    const std::uint64_t byte = i == 0 ? size - 1 : random() % size;
    const auto bit = static_cast<unsigned>(random() % 8);
    FlipBit(copy / file, byte, bit);
    const ProgramResult result = Verify(copy);
    EXPECT_EQ(result.exit_code, 4) << file << " byte " << byte << " bit " << bit;
    EXPECT_NE((result.out + result.err).find(file), std::string::npos) << result.out << result.err;
    FlipBit(copy / file, byte, bit);
  }
  EXPECT_EQ(Verify(copy).exit_code, 0);
}

TEST_P(GoldenVerify, EveryFileThatIsMissingTruncatedOrForeignIsFound) {
  const MountableDirectory scratch;
  const fs::path copy = scratch.path() / "copy";
  fs::copy(GetParam().expected, copy, fs::copy_options::recursive);
  const std::vector<std::string> files = WeightFiles(copy);
  const fs::path victim = copy / files[files.size() / 2];
  const fs::path aside = scratch.path() / "aside";
  fs::rename(victim, aside);
  EXPECT_EQ(Verify(copy).exit_code, 4);
  fs::copy_file(aside, victim);
  fs::resize_file(victim, fs::file_size(victim) - 1);
  EXPECT_EQ(Verify(copy).exit_code, 4);
  fs::remove(victim);
  fs::rename(aside, victim);
  const fs::path extra = victim.parent_path() / "extra.safetensors";
  fs::copy_file(victim, extra);
  EXPECT_EQ(Verify(copy).exit_code, 4);
  fs::remove(extra);
  EXPECT_EQ(Verify(copy).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Sharder, GoldenVerify, ::testing::ValuesIn(ShownSharderCases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Loader, GoldenVerify, ::testing::ValuesIn(ShownLoaderCases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace shardfs::testing
