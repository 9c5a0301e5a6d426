// MindSpore checkpoints of true scale, sparse: DeepSeek-V3-shaped, 64 ranks of four thousand tensors each, re-sharded,
// merged and unified. A mount takes a few times the processor time of reading the headers and little memory, and the
// stamps of the source are where the strategies say. And which source bytes `materialize` reads, in every direction.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"
#include "materialize/piece_schedule.h"
#include "pipeline/build_view.h"
#include "tools/mindspore_writer.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using tools::MindSporeBox;
using tools::MindSporeOptions;
using tools::MindSporeParameter;

constexpr std::uint64_t kMaxResidentKib = 400'000'000 / 1024;

// Elements of a parameter's box: its corners, some at the stamps, and a few anywhere. Calls
// visit(index in the whole, index in the box).
template <typename Visit>
void ForSomeElements(const MindSporeParameter& parameter, const MindSporeBox& box, Visit&& visit) {
  const NewTensor& tensor = parameter.tensor;
  const std::uint64_t size = DtypeBytes(tensor.dtype);
  const auto look = [&](std::vector<std::uint64_t> at) {
    std::uint64_t whole = 0;
    std::uint64_t local = 0;
    for (std::size_t a = 0; a < box.size(); ++a) {
      if (at[a] < box[a].first || at[a] >= box[a].second) return;
      whole = whole * tensor.shape[a] + at[a];
      local = local * (box[a].second - box[a].first) + at[a] - box[a].first;
    }
    visit(whole, local);
  };
  std::mt19937_64 random(tensor.name.size());
  std::vector<std::uint64_t> first, last, any;
  for (const auto& [begin, end] : box) {
    first.push_back(begin);
    last.push_back(end - 1);
    any.push_back(begin + random() % (end - begin));
  }
  for (const auto& at : {first, last, any}) look(at);
  const tools::ContentKey key{tensor.name, tensor.dtype, tools::SizeOf(tensor)};
  for (const tools::StampRange& stamp : tools::StampsOf(key)) {
    std::uint64_t element = (stamp.offset + random() % stamp.size) / size;
    std::vector<std::uint64_t> at(box.size());
    for (std::size_t a = box.size(); a-- > 0; element /= tensor.shape[a]) at[a] = element % tensor.shape[a];
    look(at);
  }
}

class TrueScaleMindspore : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<MountableDirectory>();
    source_.shape = tools::FindMindSporePreset("deepseek-v3")->shape;
    source_.shape.layers = 80;
    source_.sizes = {.dp = 8, .tp = 8, .ep = 8, .optimizer_shard = -1};
    source_.moments = 2;
    source_.fill = tools::Fill::kSparse;
    const auto written = tools::WriteMindSpore(scratch_->path() / "source", source_);
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ(written->files, 64u);
    EXPECT_GT(written->tensors, 64u * 4000);
    destination_ = source_;
    destination_.sizes = {.dp = 4, .tp = 4, .pp = 4, .ep = 4, .optimizer_shard = -1};
    const auto parameters = tools::ParametersOf(destination_);
    ASSERT_TRUE(parameters.ok()) << parameters.status();
    parameters_ = *parameters;
    fs::create_directory(scratch_->path() / "destination");
    ASSERT_TRUE(tools::WriteMindSporeStrategies(scratch_->path() / "destination", parameters_, destination_).ok());
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  std::unique_ptr<MountedProgram> Mount(const std::string& layout, std::vector<std::string> options = {}) const {
    options.insert(options.begin(),
                   {"--from", "mindspore", "--src-strategy", scratch_->path() / "source/strategy", "--layout", layout});
    auto mount = std::make_unique<MountedProgram>(scratch_->path() / "source/checkpoint", options);
    EXPECT_EQ(mount->result().exit_code, 0) << mount->result().err;
    ExpectModest(*mount);
    return mount;
  }

  // The least that a mount has to do is to read the headers of the source.
  static void ExpectModest(const MountedProgram& mount) {
    const std::vector<pid_t> daemons = ProcessesNaming(mount.path());
    ASSERT_EQ(daemons.size(), 1u);
    const double mounted = SecondsOf(ClockOf(daemons.front()));
    const double headers = LeastSeconds(CLOCK_PROCESS_CPUTIME_ID, 2, [] {
      for (const auto& entry : fs::recursive_directory_iterator(scratch_->path() / "source/checkpoint")) {
        if (entry.path().extension() != ".safetensors") continue;
        EXPECT_GT(HeaderOf(entry.path()).tensors.size(), 4000u);
      }
    });
    EXPECT_LE(mounted, kMaxMountOverHeaders * headers);
    const std::string peak = StatusField(daemons.front(), "VmHWM:");
    EXPECT_LE(std::stoull(peak.substr(peak.find(':') + 1)), kMaxResidentKib) << peak;
  }

  static void ExpectElements(const MindSporeParameter& parameter, const MindSporeBox& box, const Place& place) {
    const std::uint64_t size = DtypeBytes(parameter.tensor.dtype);
    const tools::ContentKey key{parameter.tensor.name, parameter.tensor.dtype, tools::SizeOf(parameter.tensor)};
    ForSomeElements(parameter, box, [&](std::uint64_t whole, std::uint64_t local) {
      std::string expected(size, '\0');
      tools::ExpectedBytes(key, source_.fill, whole * size, std::as_writable_bytes(std::span(expected)));
      ExpectElement(place, local, expected, parameter.tensor.name);
    });
  }

  // Some parameters of `places`, of which each has its box.
  template <typename BoxFor>
  static void ExpectSome(const std::map<std::string, Place>& places, BoxFor&& box_for) {
    std::mt19937_64 random(5);
    std::size_t compared = 0;
    for (const MindSporeParameter& parameter : parameters_) {
      const auto place = places.find(parameter.tensor.name);
      if (place == places.end() || random() % 60 != 0) continue;
      ExpectElements(parameter, box_for(parameter), place->second);
      ++compared;
    }
    EXPECT_GT(compared, 10u);
  }

  static std::unique_ptr<MountableDirectory> scratch_;
  static MindSporeOptions source_;
  static MindSporeOptions destination_;
  static std::vector<MindSporeParameter> parameters_;  // with the destination's cut
};

std::unique_ptr<MountableDirectory> TrueScaleMindspore::scratch_;
MindSporeOptions TrueScaleMindspore::source_;
MindSporeOptions TrueScaleMindspore::destination_;
std::vector<MindSporeParameter> TrueScaleMindspore::parameters_;

TEST_F(TrueScaleMindspore, IsReshardedFromManyRanksToMany) {
  SHARDFS_REQUIRE_FUSE();
  const auto mount = Mount("mindspore", {"--dst-strategy", scratch_->path() / "destination"});
  for (const std::uint64_t rank : {0u, 21u, 63u}) {
    const auto places = TensorsOfFolder(fs::path(mount->path()) / ("rank_" + std::to_string(rank)));
    EXPECT_GT(places.size(), 800u);
    ExpectSome(places, [rank](const MindSporeParameter& parameter) {
      return tools::BoxOf(parameter.cut, parameter.tensor.shape, rank % 16).value();
    });
  }
}

MindSporeBox Whole(const MindSporeParameter& parameter) {
  MindSporeBox box;
  for (const std::uint64_t size : parameter.tensor.shape) box.emplace_back(0, size);
  return box;
}

TEST_F(TrueScaleMindspore, IsUnified) {
  SHARDFS_REQUIRE_FUSE();
  const auto mount = Mount("mindspore-unified");
  const auto places = TensorsOfFolder(mount->path());
  EXPECT_EQ(places.size(), parameters_.size() + 5);  // hyper parameters
  ExpectSome(places, Whole);
}

TEST_F(TrueScaleMindspore, IsMergedForOtherLayouts) {
  SHARDFS_REQUIRE_FUSE();
  const auto mount = Mount("huggingface", {"--max-shard-size", "50GB"});
  ExpectSome(TensorsOfFolder(mount->path()), Whole);
}

// More files than a process may have open by default.
TEST(ThousandRanks, ArePlanned) {
  const MountableDirectory scratch;
  MindSporeOptions options;
  options.shape = tools::FindMindSporePreset("llama-3-70b")->shape;
  options.shape.layers = 4;
  options.sizes = {.dp = 32, .tp = 8, .pp = 4, .optimizer_shard = -1};
  options.fill = tools::Fill::kSparse;
  options.stamps = false;
  const auto written = tools::WriteMindSpore(scratch.path() / "source", options);
  ASSERT_TRUE(written.ok()) << written.status();
  for (const char* const layout : {"mindspore", "mindspore-unified"}) {
    const ProgramResult plan = RunShardfs({"plan", scratch.path() / "source/checkpoint", "--from", "mindspore",
                                           "--src-strategy", scratch.path() / "source/strategy", "--layout", layout});
    ASSERT_EQ(plan.exit_code, 0) << plan.err;
    EXPECT_THAT(plan.out, ::testing::HasSubstr("1024 ranks"));
  }
  fs::remove_all(scratch.path() / "source/checkpoint/rank_517");
  const ProgramResult plan =
      RunShardfs({"plan", scratch.path() / "source/checkpoint", "--from", "mindspore", "--src-strategy",
                  scratch.path() / "source/strategy", "--layout", "mindspore"});
  EXPECT_EQ(plan.exit_code, 3);
  EXPECT_THAT(plan.err, ::testing::HasSubstr("rank 517"));
}

// A page cache that holds `capacity` pages: how many pages are read from the device for a sequence of spans.
class PageCache {
 public:
  explicit PageCache(std::size_t capacity) : capacity_(capacity) {}

  void Touch(const SourceSpan& span) {
    for (std::uint64_t page = span.offset / kPage; page * kPage < span.offset + span.size; ++page) {
      const Key key{span.source, page};
      const auto cached = places_.find(key);
      if (cached != places_.end()) {
        order_.splice(order_.begin(), order_, cached->second);
        continue;
      }
      ++reads_;
      seen_.insert(key);
      order_.push_front(key);
      places_[key] = order_.begin();
      if (order_.size() <= capacity_) continue;
      places_.erase(order_.back());
      order_.pop_back();
    }
  }

  std::size_t reads() const { return reads_; }
  std::size_t pages() const { return seen_.size(); }

  static constexpr std::uint64_t kPage = 1 << 18;

 private:
  using Key = std::pair<const ByteSource*, std::uint64_t>;
  const std::size_t capacity_;
  std::list<Key> order_;  // the last used first
  std::map<Key, std::list<Key>::iterator> places_;
  std::set<Key> seen_;
  std::size_t reads_ = 0;
};

struct Direction {
  const char* name;
  tools::MindSporeSizes from;
  const char* layout;
  tools::MindSporeSizes to;
  bool has_destination;
};

void PrintTo(const Direction& direction, std::ostream* out) { *out << direction.name; }

class ReadOnce : public ::testing::TestWithParam<Direction> {};

// The pieces in the order in which `materialize` works, with a page cache of a tenth of the source.
TEST_P(ReadOnce, ByMaterialize) {
  const MountableDirectory scratch;
  MindSporeOptions options;
  options.shape = tools::FindMindSporePreset("llama-3-70b")->shape;
  options.shape.layers = 4;
  options.shape.vocab = 32768;
  options.sizes = GetParam().from;
  options.fill = tools::Fill::kSparse;
  const fs::path root = scratch.path() / "source";
  const auto written = tools::WriteMindSpore(root, options);
  ASSERT_TRUE(written.ok()) << written.status();
  ViewRequest request;
  request.source = root / "checkpoint";
  request.from = "mindspore";
  request.layout = GetParam().layout;
  request.options = {{"src_strategy", root / "strategy", OptionOrigin::kCommandLine, "--src-strategy"}};
  if (GetParam().has_destination) {
    options.sizes = GetParam().to;
    fs::create_directory(root / "destination");
    ASSERT_TRUE(
        tools::WriteMindSporeStrategies(root / "destination", tools::ParametersOf(options).value(), options).ok());
    request.options.push_back({"dst_strategy", root / "destination", OptionOrigin::kCommandLine, "--dst-strategy"});
  }
  const auto built = BuildView(request, {}, [](const std::string&) {});
  ASSERT_TRUE(built.ok()) << built.status();
  std::vector<PlannedFile> files;
  for (const VirtualNode& node : built->view.tree->nodes()) {
    if (!node.is_directory()) files.push_back({node.name, node.file.get()});
  }
  PageCache cache(written->apparent_bytes / 10 / PageCache::kPage);
  for (const Piece& piece : PiecesInSourceOrder(files, std::vector<bool>(files.size(), true))) {
    const VirtualFile& file = *files[piece.file].file;
    file.VisitSources(piece.begin(), PieceBytes(piece, file.size()),
                      [&](const SourceSpan& span) { cache.Touch(span); });
  }
  EXPECT_GT(cache.pages() * PageCache::kPage, written->apparent_bytes / 5);  // the source has replicas
  // Pages at the ends of a piece may be gone when the next one asks for them.
  EXPECT_LE(static_cast<double>(cache.reads()), 1.05 * static_cast<double>(cache.pages()));
}

constexpr Direction kDirections[] = {
    {"Reshard", {.dp = 2, .tp = 4, .optimizer_shard = -1}, "mindspore", {.tp = 8, .pp = 2}, true},
    {"MoreRanks", {.tp = 2, .pp = 2}, "mindspore", {.dp = 4, .tp = 4, .optimizer_shard = -1}, true},
    {"FewerRanks", {.dp = 4, .tp = 4, .pp = 2}, "mindspore", {.tp = 2}, true},
    {"Merge", {.dp = 2, .tp = 8, .optimizer_shard = -1}, "mindspore", {}, false},
    {"Unify", {.dp = 2, .tp = 8, .pp = 2, .optimizer_shard = -1}, "mindspore-unified", {}, false},
    {"Split", {}, "mindspore", {.dp = 2, .tp = 8, .optimizer_shard = -1}, true},
};

INSTANTIATE_TEST_SUITE_P(Directions, ReadOnce, ::testing::ValuesIn(kDirections),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace shardfs::testing
