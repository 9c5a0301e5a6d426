// DeepSeek-V3 at true scale, 1.37 TB of holes with stamps in every tensor: mounted, listed, and read at random.
// The places of the stamps in the view are worked out here from the rules, one element at a time.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>

#include "end_to_end/mounted_program.h"
#include "fuse/fuse_available.h"
#include "tools/checkpoint_writer.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using tools::ContentKey;

constexpr std::uint64_t kTp = 8;
constexpr std::uint64_t kMoeTp = 4;
constexpr std::uint64_t kMoeEp = 4;

// A tensor of the view: its file, and where its bytes begin in it.
struct Place {
  fs::path file;
  HeaderTensor tensor;
  std::uint64_t begin = 0;
};

std::string Pread(const fs::path& path, std::uint64_t offset, std::uint64_t size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string bytes(size, '\xa5');
  const ssize_t count = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset));
  ::close(fd);
  EXPECT_EQ(count, static_cast<ssize_t>(size)) << path << " at " << offset;
  return bytes;
}

std::map<std::string, Place> TensorsOfFolder(const fs::path& folder) {
  std::map<std::string, Place> places;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::uint64_t size = fs::file_size(entry.path());
    const std::string first8 = Pread(entry.path(), 0, 8);
    const std::uint64_t extent = HeaderExtent(std::as_bytes(std::span(first8)), size).value();
    const std::string bytes = Pread(entry.path(), 0, extent);
    const Header header = ParseHeader(std::as_bytes(std::span(bytes)), size, "view").value();
    for (const HeaderTensor& tensor : header.tensors) {
      places[tensor.name] = {entry.path(), tensor, header.data_offset + tensor.begin};
    }
  }
  return places;
}

class TrueScale : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!FuseAvailable()) return;
    scratch_ = std::make_unique<MountableDirectory>();
    tools::CheckpointOptions options;
    options.shape = tools::FindPreset("deepseek-v3")->shape;
    options.files = tools::FindPreset("deepseek-v3")->files;
    options.fill = tools::Fill::kSparse;
    const auto written = tools::WriteCheckpoint(Source(), options);
    ASSERT_TRUE(written.ok()) << written.status();
    ASSERT_GT(written->apparent_bytes, 1'360'000'000'000u);
    const auto start = std::chrono::steady_clock::now();
    mount_ = std::make_unique<MountedProgram>(
        Source(), std::vector<std::string>{"--dp", "2", "--tp", "8", "--moe-tp", "4", "--moe-ep", "4", "--mtp"});
    mount_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ASSERT_EQ(mount_->result().exit_code, 0) << mount_->result().err;
  }
  static void TearDownTestSuite() {
    mount_.reset();
    scratch_.reset();
  }

  static std::string Source() { return scratch_->path() / "source"; }
  static fs::path Mount() { return mount_->path(); }

  // Element (row, column) of a two-byte source matrix of `columns` columns, as two bytes.
  static std::string SourceElement(const std::string& name, std::uint64_t rows, std::uint64_t columns,
                                   std::uint64_t row, std::uint64_t column) {
    std::string bytes(2, '\0');
    const ContentKey key{name, Dtype::kBF16, rows * columns * 2, 0};
    tools::ExpectedBytes(key, tools::Fill::kSparse, (row * columns + column) * 2,
                         std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // Calls visit(row, column) for some elements of each stamp of the matrix, and a few in its holes.
  template <typename Visit>
  static void ForSomeElements(const std::string& name, std::uint64_t rows, std::uint64_t columns, Visit&& visit) {
    const ContentKey key{name, Dtype::kBF16, rows * columns * 2, 0};
    std::mt19937_64 random(rows + columns + name.size());
    for (const tools::StampRange& stamp : tools::StampsOf(key)) {
      for (int i = 0; i < 6; ++i) {
        const std::uint64_t element = (stamp.offset + random() % stamp.size) / 2;
        visit(element / columns, element % columns);
      }
    }
    for (int i = 0; i < 4; ++i) visit(random() % rows, random() % columns);
  }

  static void ExpectElement(const Place& place, std::uint64_t element, const std::string& expected,
                            const std::string& what) {
    EXPECT_EQ(Pread(place.file, place.begin + element * 2, 2), expected)
        << what << " in " << place.file << " element " << element;
  }

  static std::unique_ptr<MountableDirectory> scratch_;
  static std::unique_ptr<MountedProgram> mount_;
  static double mount_seconds_;
};

std::unique_ptr<MountableDirectory> TrueScale::scratch_;
std::unique_ptr<MountedProgram> TrueScale::mount_;
double TrueScale::mount_seconds_ = 0;

TEST_F(TrueScale, MountsInSecondsAndListsEveryFolder) {
  SHARDFS_REQUIRE_FUSE();
  EXPECT_LT(mount_seconds_, 5.0);  // about 0.3 on two idle cores; tests share theirs
  std::map<std::string, std::size_t> kinds;
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(Mount())) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file()) bytes += entry.file_size();
    if (!entry.is_directory()) continue;
    const std::string kind = name.starts_with("model-moe")     ? "moe"
                             : name.starts_with("model-attn")  ? "attn"
                             : name.starts_with("model-dense") ? "dense"
                             : name == "model-norm"            ? "norm"
                                                               : "rank";
    ++kinds[kind];
    const auto files = std::distance(fs::directory_iterator(entry.path()), fs::directory_iterator());
    EXPECT_EQ(files, kind == "moe" ? 9 : 1) << name;
  }
  EXPECT_EQ(kinds,
            (std::map<std::string, std::size_t>{{"moe", 16}, {"attn", 8}, {"dense", 8}, {"norm", 1}, {"rank", 16}}));
  EXPECT_GT(bytes, 1'380'000'000'000u);
}

TEST_F(TrueScale, ExpertsAreWhereTheGridPutsThem) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kHidden = 7168;
  constexpr std::uint64_t kWidth = 2048;
  constexpr std::uint64_t kLocal = kWidth / kMoeTp;
  std::mt19937_64 random(5);
  for (std::uint64_t ep = 0; ep < kMoeEp; ++ep) {
    std::vector<std::map<std::string, Place>> folders;
    for (std::uint64_t tp = 0; tp < kMoeTp; ++tp) {
      folders.push_back(
          TensorsOfFolder(Mount() / ("model-moe-tp-00" + std::to_string(tp) + "-ep-00" + std::to_string(ep))));
    }
    for (int i = 0; i < 6; ++i) {
      const std::string prefix = "model.layers." + std::to_string(i == 0 ? 61 : 3 + random() % 58) + ".mlp.";
      const std::uint64_t local_expert = random() % 64;
      const std::string expert = prefix + "experts." + std::to_string(ep * 64 + local_expert) + ".";
      for (const bool up : {false, true}) {
        const std::string name = expert + (up ? "up_proj.weight" : "gate_proj.weight");
        ForSomeElements(name, kWidth, kHidden, [&](std::uint64_t row, std::uint64_t column) {
          const Place& place = folders[row / kLocal].at(prefix + "gate_up_proj.weight");
          ASSERT_EQ(place.tensor.shape, (Shape{64, 2 * kLocal, kHidden}));
          const std::uint64_t out_row = (up ? kLocal : 0) + row % kLocal;
          ExpectElement(place, (local_expert * 2 * kLocal + out_row) * kHidden + column,
                        SourceElement(name, kWidth, kHidden, row, column), name);
        });
      }
      const std::string down = expert + "down_proj.weight";
      ForSomeElements(down, kHidden, kWidth, [&](std::uint64_t row, std::uint64_t column) {
        const Place& place = folders[column / kLocal].at(prefix + "down_proj.weight");
        ASSERT_EQ(place.tensor.shape, (Shape{64, kHidden, kLocal}));
        ExpectElement(place, (local_expert * kHidden + row) * kLocal + column % kLocal,
                      SourceElement(down, kHidden, kWidth, row, column), down);
      });
    }
  }
}

TEST_F(TrueScale, AttentionIsSplitByHeadsPermutedAndTransposed) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kHeads = 128;
  constexpr std::uint64_t kLocalHeads = kHeads / kTp;
  constexpr std::uint64_t kNope = 128, kRope = 64, kV = 128, kRank = 512, kQRank = 1536, kHidden = 7168;
  std::vector<std::map<std::string, Place>> folders;
  for (std::uint64_t tp = 0; tp < kTp; ++tp)
    folders.push_back(TensorsOfFolder(Mount() / ("model-attn-tp-00" + std::to_string(tp))));
  for (const int layer : {0, 17, 60, 61}) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".self_attn.";
    const std::string kv_b = prefix + "kv_b_proj.weight";
    ForSomeElements(kv_b, kHeads * (kNope + kV), kRank, [&](std::uint64_t row, std::uint64_t column) {
      const std::uint64_t head = row / (kNope + kV);
      const std::uint64_t in_head = row % (kNope + kV);
      const auto& folder = folders[head / kLocalHeads];
      const std::string expected = SourceElement(kv_b, kHeads * (kNope + kV), kRank, row, column);
      if (in_head < kNope) {
        ExpectElement(folder.at(prefix + "k_b_proj.weight"), ((head % kLocalHeads) * kNope + in_head) * kRank + column,
                      expected, kv_b);
      } else {
        ExpectElement(folder.at(prefix + "v_b_proj.weight"),
                      ((head % kLocalHeads) * kRank + column) * kV + in_head - kNope, expected, kv_b);
      }
    });
    const std::string q_b = prefix + "q_b_proj.weight";
    ForSomeElements(q_b, kHeads * (kNope + kRope), kQRank, [&](std::uint64_t row, std::uint64_t column) {
      const std::uint64_t head = row / (kNope + kRope);
      std::uint64_t in_head = row % (kNope + kRope);
      if (in_head >= kNope) {
        const std::uint64_t rope = in_head - kNope;
        in_head = kNope + (rope % 2 == 0 ? rope / 2 : kRope / 2 + rope / 2);
      }
      ExpectElement(folders[head / kLocalHeads].at(prefix + "q_b_proj.weight"),
                    ((head % kLocalHeads) * (kNope + kRope) + in_head) * kQRank + column,
                    SourceElement(q_b, kHeads * (kNope + kRope), kQRank, row, column), q_b);
    });
    const std::string o = prefix + "o_proj.weight";
    constexpr std::uint64_t kLocalColumns = kHeads * kV / kTp;
    ForSomeElements(o, kHidden, kHeads * kV, [&](std::uint64_t row, std::uint64_t column) {
      ExpectElement(folders[column / kLocalColumns].at(prefix + "o_proj.weight"),
                    row * kLocalColumns + column % kLocalColumns, SourceElement(o, kHidden, kHeads * kV, row, column),
                    o);
    });
  }
}

// 4 KiB at the end of a file of 10 GB cost 4 KiB: hundreds of such reads take a moment, not minutes.
TEST_F(TrueScale, ReadsAtTheEndOfLargeFilesAreCheap) {
  SHARDFS_REQUIRE_FUSE();
  const auto start = std::chrono::steady_clock::now();
  for (const auto& entry : fs::recursive_directory_iterator(Mount())) {
    if (entry.is_regular_file() && entry.file_size() > 4096) Pread(entry.path(), entry.file_size() - 4096, 4096);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace shardfs::testing
