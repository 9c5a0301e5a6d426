// DeepSeek-R1 as the public W8A8 mix, cut for 16 ranks and merged back at true scale. The directory is made of the
// headers of a mounted one over holes, with the bytes of a few places, so that it takes no disk.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"
#include "sanitizers/sanitized.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxResidentBytes = 250'000'000;
constexpr std::uint64_t kCopiedBytes = 16 << 10;  // at the beginning of each tensor

// A file of the same size with its header, and what its tensors begin with.
void CopySparsely(const fs::path& from, const fs::path& to) {
  const Header header = HeaderOf(from);
  const std::uint64_t size = fs::file_size(from);
  std::ofstream file(to, std::ios::binary);
  file << Pread(from, 0, header.data_offset);
  for (const HeaderTensor& tensor : header.tensors) {
    const std::uint64_t bytes = std::min(kCopiedBytes, tensor.end - tensor.begin);
    const std::string name = tensor.name;
    const bool is_wanted = name.find("layers.3.") != std::string::npos || name.find("layers.") == std::string::npos;
    if (!is_wanted || bytes == 0) continue;
    file.seekp(static_cast<std::streamoff>(header.data_offset + tensor.begin));
    file << Pread(from, header.data_offset + tensor.begin, bytes);
  }
  file.close();
  fs::resize_file(to, size);
}

void CopyTree(const fs::path& from, const fs::path& to) {
  fs::create_directory(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.path().filename().string().starts_with(".shardfs")) continue;
    if (entry.is_directory()) {
      CopyTree(entry.path(), to / entry.path().filename());
    } else if (entry.path().extension() == ".safetensors") {
      CopySparsely(entry.path(), to / entry.path().filename());
    } else {
      std::ofstream(to / entry.path().filename(), std::ios::binary) << ReadFile(entry.path());
    }
  }
}

// The daemon's own memory: not the pages of the files that it maps.
std::uint64_t AnonymousBytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("RssAnon:")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    std::uint64_t kilobytes = 0;
    words >> kilobytes;
    return kilobytes << 10;
  }
  return 0;
}

TEST(TrueScaleMerge, SixteenRanksOfW8A8AreMergedBack) {
  SHARDFS_REQUIRE_FUSE();
  const MountableDirectory scratch;
  const fs::path sharded = scratch.path() / "sharded";
  {
    const TrueScaleMount cut("deepseek-r1-w8a8");
    ASSERT_TRUE(cut.mounted());
    CopyTree(cut.path(), sharded);
  }
  const MountedProgram mount(sharded, {"--layout", "huggingface"});
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  const std::vector<pid_t> daemons = ProcessesNaming(mount.path());
  ASSERT_EQ(daemons.size(), 1u);
  const double mount_seconds = SecondsOf(ClockOf(daemons.front()));
  const std::uint64_t resident = AnonymousBytes(daemons.front());
  std::map<std::string, Place> places;
  const double header_seconds =
      LeastSeconds(CLOCK_PROCESS_CPUTIME_ID, 2, [&] { places = TensorsOfFolder(mount.path()); });
  std::cout << "mount " << mount_seconds << " s of processor time, headers of the view " << header_seconds << " s, "
            << resident / 1'000'000 << " MB\n";
  EXPECT_LT(mount_seconds, kMaxMountOverHeaders * header_seconds);
  EXPECT_TRUE(kSanitized || resident < kMaxResidentBytes) << resident;
  // All that the source has but the biases of norms, which are holes here, and what a W8A8 linear does not need.
  EXPECT_GT(places.size(), 136'000u);
  constexpr std::uint64_t kHidden = 7168, kWidth = 2048;
  const std::string expert = "model.layers.3.mlp.experts.0.";
  for (const auto& [name, rows, columns] : {std::tuple{expert + "gate_proj.weight", kWidth, kHidden},
                                            std::tuple{expert + "down_proj.weight", kHidden, kWidth}}) {
    const SourceMatrix source{name, Dtype::kI8, rows, columns};
    ASSERT_EQ(places.at(name).tensor.shape, (Shape{rows, columns})) << name;
    for (std::uint64_t column = 0; column < 64; ++column) {  // the first stamp
      ExpectElement(places.at(name), column, source.Element(0, column), name);
    }
  }
  const SourceMatrix embedding{"model.embed_tokens.weight", Dtype::kBF16, 129'280, kHidden};
  for (std::uint64_t column = 0; column < 32; ++column) {
    ExpectElement(places.at(embedding.name), column, embedding.Element(0, column), embedding.name);
  }
}

}  // namespace
}  // namespace shardfs::testing
