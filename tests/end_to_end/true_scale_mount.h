// A checkpoint of true scale, sparse, and its mount; and what single elements of source and view are.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "shardfs/tensor/dtype.h"
#include "tools/checkpoint_writer.h"
#include "tools/processes.h"
#include "tools/processor_time.h"
#include "tools/tensor_content.h"

namespace shardfs::testing {

// A mount takes this many times the processor time of reading the source's headers at most.
inline constexpr double kMaxMountOverHeaders = 40;

// The parallel sizes of the mounts; dp is 2.
inline constexpr std::uint64_t kTp = 8;
inline constexpr std::uint64_t kMoeTp = 4;
inline constexpr std::uint64_t kMoeEp = 4;

inline void ReadHeaders(const std::filesystem::path& source) {
  std::size_t tensors = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source)) {
    if (entry.path().extension() == ".safetensors") tensors += HeaderOf(entry.path()).tensors.size();
  }
  ASSERT_GT(tensors, 10'000u);
}

// A matrix of the source; a vector has one column.
struct SourceMatrix {
  std::string name;
  Dtype dtype = Dtype::kBF16;
  std::uint64_t rows = 0;
  std::uint64_t columns = 1;

  tools::ContentKey Key() const { return {name, dtype, rows * columns * DtypeBytes(dtype)}; }

  // The bytes of one element.
  std::string Element(std::uint64_t row, std::uint64_t column = 0) const {
    std::string bytes(DtypeBytes(dtype), '\0');
    tools::ExpectedBytes(Key(), tools::Fill::kSparse, (row * columns + column) * bytes.size(),
                         std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // Calls visit(row, column) for some elements of each stamp, and a few anywhere.
  template <typename Visit>
  void ForSomeElements(Visit&& visit) const {
    std::mt19937_64 random(rows + columns + name.size());
    for (const tools::StampRange& stamp : tools::StampsOf(Key())) {
      for (int i = 0; i < 6; ++i) {
        const std::uint64_t element = (stamp.offset + random() % stamp.size) / DtypeBytes(dtype);
        visit(element / columns, element % columns);
      }
    }
    for (int i = 0; i < 4; ++i) visit(random() % rows, random() % columns);
  }
};

inline void ExpectElement(const Place& place, std::uint64_t element, std::string_view expected,
                          const std::string& what) {
  ASSERT_EQ(DtypeBytes(place.tensor.dtype), expected.size()) << what;
  EXPECT_EQ(Pread(place.file, place.begin + element * expected.size(), expected.size()), expected)
      << what << " in " << place.file << " element " << element;
}

// Where a row of a head of q_b_proj, or of kv_a_proj_with_mqa as a whole, goes: the last `rope` of a block of `rows`
// come with the even ones first.
inline std::uint64_t RopeRow(std::uint64_t row, std::uint64_t rows, std::uint64_t rope) {
  if (row < rows - rope) return row;
  const std::uint64_t index = row - (rows - rope);
  return rows - rope + (index % 2 == 0 ? index / 2 : rope / 2 + index / 2);
}

// A preset's checkpoint, written and mounted.
class TrueScaleMount {
 public:
  explicit TrueScaleMount(std::string_view preset_name) {
    const tools::Preset& preset = *tools::FindPreset(preset_name);
    tools::CheckpointOptions options;
    options.shape = preset.shape;
    options.quantisation = preset.quantisation;
    options.files = preset.files;
    options.fill = tools::Fill::kSparse;
    const std::string source = scratch_.path() / "source";
    const auto written = tools::WriteCheckpoint(source, options);
    EXPECT_TRUE(written.ok()) << written.status();
    if (!written.ok()) return;
    written_ = *written;
    mount_ = std::make_unique<MountedProgram>(
        source, std::vector<std::string>{"--dp", "2", "--tp", "8", "--moe-tp", "4", "--moe-ep", "4", "--mtp"});
    EXPECT_EQ(mount_->result().exit_code, 0) << mount_->result().err;
    const std::vector<pid_t> daemons = ProcessesNaming(mount_->path());
    EXPECT_EQ(daemons.size(), 1u);
    if (daemons.size() != 1) return;
    daemon_ = ClockOf(daemons.front());
    mount_seconds_ = SecondsOf(daemon_);
    header_seconds_ = LeastSeconds(CLOCK_PROCESS_CPUTIME_ID, 2, [&source] { ReadHeaders(source); });
  }

  bool mounted() const { return mount_ != nullptr && mount_->result().exit_code == 0; }
  std::filesystem::path path() const { return mount_->path(); }
  const tools::CheckpointSummary& written() const { return written_; }

  // The processor time of the daemon up to when the view was there, and what this program takes to read the headers of
  // the source, which is the least that a mount has to do.
  double mount_seconds() const { return mount_seconds_; }
  double header_seconds() const { return header_seconds_; }
  clockid_t daemon_clock() const { return daemon_; }

  // The tensors of "model-<kind>-tp-00i" for all i.
  std::vector<std::map<std::string, Place>> TensorsOfRanks(const std::string& kind) const {
    std::vector<std::map<std::string, Place>> folders;
    for (std::uint64_t tp = 0; tp < kTp; ++tp) {
      folders.push_back(TensorsOfFolder(path() / ("model-" + kind + "-tp-00" + std::to_string(tp))));
    }
    return folders;
  }

  // The same of the experts of one expert-parallel rank.
  std::vector<std::map<std::string, Place>> TensorsOfExperts(std::uint64_t ep) const {
    std::vector<std::map<std::string, Place>> folders;
    for (std::uint64_t tp = 0; tp < kMoeTp; ++tp) {
      folders.push_back(
          TensorsOfFolder(path() / ("model-moe-tp-00" + std::to_string(tp) + "-ep-00" + std::to_string(ep))));
    }
    return folders;
  }

  // How many folders there are of each kind, and that each folder of experts has `expert_files`, the others one.
  void ExpectFolders(std::ptrdiff_t expert_files) const;

 private:
  MountableDirectory scratch_;
  tools::CheckpointSummary written_;
  std::unique_ptr<MountedProgram> mount_;
  clockid_t daemon_ = -1;
  double mount_seconds_ = 0;
  double header_seconds_ = 0;
};

inline void TrueScaleMount::ExpectFolders(std::ptrdiff_t expert_files) const {
  std::map<std::string, std::size_t> kinds;
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename();
    const std::string kind = name.starts_with("model-moe")     ? "moe"
                             : name.starts_with("model-attn")  ? "attn"
                             : name.starts_with("model-dense") ? "dense"
                             : name == "model-norm"            ? "norm"
                                                               : "rank";
    ++kinds[kind];
    const auto files =
        std::distance(std::filesystem::directory_iterator(entry.path()), std::filesystem::directory_iterator());
    EXPECT_EQ(files, kind == "moe" ? expert_files : 1) << name;
  }
  EXPECT_EQ(kinds,
            (std::map<std::string, std::size_t>{{"moe", 16}, {"attn", 8}, {"dense", 8}, {"norm", 1}, {"rank", 16}}));
}

}  // namespace shardfs::testing
