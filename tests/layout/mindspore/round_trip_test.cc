// Random models and strategies through files: full to A, A to B, B to full. Every rank is held against the definition,
// and the last full file against the first.
#include <gtest/gtest.h>

#include <cstring>

#include "layout/huggingface/huggingface_layout.h"
#include "layout/mindspore/mindspore_files.h"
#include "layout/mindspore/mindspore_layout.h"
#include "layout/mindspore/slice.h"
#include "layout/mindspore/slice_oracle.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

struct Cut {
  std::uint32_t devices = 1;
  std::uint32_t stages = 1;
  std::map<std::string, ParameterLayout> layouts;
  std::map<std::string, std::vector<std::uint32_t>> stages_of;

  std::uint32_t ranks() const { return devices * stages; }

  std::vector<NamedLayout> Strategy() const {
    std::vector<NamedLayout> named;
    for (const auto& [name, layout] : layouts) {
      for (const std::uint32_t stage : stages_of.at(name))
        named.push_back({std::to_string(stage) + "-" + name, layout});
    }
    return named;
  }
};

class RandomModel {
 public:
  explicit RandomModel(RandomNumbers& random) {
    constexpr std::uint32_t kDevices[] = {1, 2, 4, 8};
    for (Cut* const cut : {&a, &b}) {
      cut->devices = kDevices[Below(random, 4)];
      cut->stages = 1 + static_cast<std::uint32_t>(Below(random, 2));
    }
    std::uint32_t next = 0;
    for (int i = 0; i < 6; ++i) {
      const std::string name = "layers." + std::to_string(i) + ".w";
      const std::size_t axes = 1 + Below(random, 3);
      for (Cut* const cut : {&a, &b}) {
        cut->layouts[name] = RandomLayout(random, cut->devices, axes);
        // The first and last are there so that no stage is without a parameter; one in the middle may be shared.
        std::vector<std::uint32_t>& stages = cut->stages_of[name];
        const auto stage = i == 0   ? 0
                           : i == 5 ? cut->stages - 1
                                    : static_cast<std::uint32_t>(Below(random, cut->stages));
        stages.push_back(stage);
        if (i == 3 && cut->stages == 2) stages = {0, 1};
      }
      const Shape shape = RandomShape(random, {a.layouts[name], b.layouts[name]}, axes);
      full[name] = Counting(shape, next);
      next += static_cast<std::uint32_t>(full[name].elements.size());
    }
    full["learning_rate"] = Counting({}, next);
  }

  U32Tensors RankOf(const Cut& cut, std::uint32_t rank) const {
    U32Tensors tensors;
    for (const auto& [name, tensor] : full) {
      const auto layout = cut.layouts.find(name);
      if (layout == cut.layouts.end()) {
        tensors[name] = tensor;
        continue;
      }
      const auto& stages = cut.stages_of.at(name);
      if (std::find(stages.begin(), stages.end(), rank / cut.devices) == stages.end()) continue;
      U32Tensor slice{*SliceGrid::Create(layout->second, Placement::kTraining)->SliceShape(tensor.shape), {}};
      for (const std::uint32_t element : ElementsOf(layout->second, tensor.shape, rank % cut.devices)) {
        slice.elements.push_back(tensor.elements[element]);
      }
      tensors[name] = std::move(slice);
    }
    return tensors;
  }

  Cut a;
  Cut b;
  U32Tensors full;
};

class RoundTripTest : public ::testing::Test {
 protected:
  // Shows `source` with the options of reader and layout, holds each rank against the definition, and writes it.
  void Transform(const std::string& source, const GivenOptions& reading, const GivenOptions& showing,
                 const std::string& destination, const RandomModel& model, const Cut& cut) {
    GivenOptions options = {{"complete", "true"}, {"placement", "training"}, {"prefix", "ckpt_"}};
    options.insert(options.end(), showing.begin(), showing.end());
    const auto view = ViewOf<MindsporeLayout>(OpenMindspore(Path(source), reading), options);
    ASSERT_TRUE(view.ok()) << view.status();
    const auto files = FilesOf(*view);
    ASSERT_EQ(files.size(), cut.ranks());
    for (std::uint32_t rank = 0; rank < cut.ranks(); ++rank) {
      const std::string number = std::to_string(rank);
      const auto file = files.find("rank_" + number + "/ckpt_" + number + ".safetensors");
      ASSERT_NE(file, files.end());
      EXPECT_EQ(TensorsOf(file->second), model.RankOf(cut, rank)) << "rank " << rank;
    }
    WriteFiles(Path(destination), files);
  }

  fs::path Path(const std::string& name) const { return directory_.path() / folder_ / name; }

  MountableDirectory directory_;
  std::string folder_;  // of the model
};

TEST_F(RoundTripTest, FullToAToBToFullIsTheIdentity) {
  constexpr std::uint64_t kModels = 40;
  for (std::uint64_t seed = 0; seed < kModels && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomNumbers random(seed);
    const RandomModel model(random);
    folder_ = std::to_string(seed);
    WriteTensors(Path("full") / "model.safetensors", model.full);
    WriteStrategy(Path("a.ckpt"), model.a.Strategy());
    WriteStrategy(Path("b.ckpt"), model.b.Strategy());
    Transform("full", {}, {{"dst_strategy", Path("a.ckpt")}}, "a", model, model.a);
    if (HasFailure()) return;
    Transform("a", {{"src_strategy", Path("a.ckpt")}}, {{"dst_strategy", Path("b.ckpt")}}, "b", model, model.b);
    if (HasFailure()) return;
    const auto back = OpenMindspore(Path("b"), {{"src_strategy", Path("b.ckpt")}});
    const auto view = ViewOf<MindsporeLayout>(back, {{"complete", "true"}, {"placement", "training"}});
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_EQ(TensorsOf(FilesOf(*view).at("rank_0/checkpoint_0.safetensors")), model.full);
    const auto shown = ViewOf<HuggingfaceLayout>(back, {});
    ASSERT_TRUE(shown.ok()) << shown.status();
    EXPECT_EQ(TensorsOf(FilesOf(*shown).at("model.safetensors")), model.full) << "what other layouts are given";
  }
}

}  // namespace
}  // namespace shardfs::testing
