// Values of gate and up that must agree are looked at before anything is shown.
#include "layout/mindie/mindie_files.h"

namespace shardfs::testing {
namespace {

class MindieAgreeingValues : public MindieFilesFixture {
 protected:
  MindieAgreeingValues() {
    quantisation_.kind = tools::CheckpointKind::kW8A8;
    quantisation_.quantised_mtp = true;
    options_.layout_options = {{"fidelity", "loader"}};
    options_.mtp = true;
  }

  // Writes the first bytes of a tensor of the checkpoint.
  void Overwrite(const std::string& name, const std::string& bytes) {
    const Result<CheckpointPtr> checkpoint = OpenSource(directory_);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    const SourceSpan span = PlaceOf(**checkpoint, name);
    ASSERT_NE(span.source, nullptr) << name;
    ASSERT_EQ(span.size, bytes.size()) << name;
    std::fstream file(At(span.source->name()), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(span.offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.good());
  }

  std::uint64_t SizeOf(const std::string& name) const {
    const Result<CheckpointPtr> checkpoint = OpenSource(directory_);
    const SourceSpan span = checkpoint.ok() ? PlaceOf(**checkpoint, name) : SourceSpan();
    EXPECT_NE(span.source, nullptr) << name;
    return span.size;
  }

  void ExpectDiffers(const std::string& mlp, const std::string& companion) {
    ASSERT_TRUE(Build().ok());
    const std::string up = mlp + ".up_proj." + companion;
    Overwrite(up, std::string(SizeOf(up), '\x45'));
    const auto result = BuildWritten();
    ExpectRefused(result, 3, mlp + ".gate_proj." + companion + " is ", up + " is ");
    EXPECT_NE(result.status().message().find("must agree"), std::string_view::npos) << result.status();
  }
};

TEST_F(MindieAgreeingValues, OfEveryMlp) {
  const std::string mtp = "model.layers." + std::to_string(shape_.layers) + ".mlp.experts.1";
  for (const std::string& mlp : {std::string("model.layers.0.mlp"), std::string("model.layers.3.mlp.shared_experts"),
                                 std::string("model.layers.3.mlp.experts.2"), mtp}) {
    ExpectDiffers(mlp, "input_scale");
    ExpectDiffers(mlp, "input_offset");
  }
}

TEST_F(MindieAgreeingValues, ManyThatDifferAreNamedUpToTenAndCounted) {
  ASSERT_TRUE(Build().ok());
  for (std::uint64_t expert = 0; expert < shape_.experts; ++expert) {
    for (const char* companion : {"input_scale", "input_offset"}) {
      const std::string name = "model.layers.3.mlp.experts." + std::to_string(expert) + ".gate_proj." + companion;
      Overwrite(name, std::string(SizeOf(name), '\x45'));
    }
  }
  ASSERT_GT(2 * shape_.experts, 10u);
  const auto result = BuildWritten();
  ExpectRefused(result, 3, "model.layers.3.mlp.experts.0.gate_proj.input_scale is",
                "and " + std::to_string(2 * shape_.experts - 10) + " more");
}

// What differs by less than the reference's tolerance agrees, and of what is not shown nothing is asked.
TEST_F(MindieAgreeingValues, OnlyWhatIsPackedMustAgree) {
  ASSERT_TRUE(Build().ok());
  const std::string down = "model.layers.3.mlp.experts.0.down_proj.input_scale";
  Overwrite(down, std::string(SizeOf(down), '\x45'));
  const std::string mtp = "model.layers." + std::to_string(shape_.layers) + ".mlp.experts.0.up_proj.input_scale";
  Overwrite(mtp, std::string(SizeOf(mtp), '\x45'));
  EXPECT_FALSE(BuildWritten().ok());
  options_.mtp = false;
  const auto result = BuildWritten();
  EXPECT_TRUE(result.ok()) << result.status();
}

TEST_F(MindieAgreeingValues, AMissingWeightIsNamedAsMissing) {
  for (const auto kind : {tools::CheckpointKind::kW8A8, tools::CheckpointKind::kW8A8Mix}) {
    quantisation_.kind = kind;
    for (const char* name :
         {"model.layers.3.mlp.experts.6.up_proj.weight", "model.layers.3.mlp.experts.0.gate_proj.weight",
          "model.layers.3.mlp.experts.0.down_proj.weight", "model.layers.0.mlp.gate_proj.weight"}) {
      const auto result = Build([&](auto* tensors) { Remove(tensors, name); });
      ExpectRefused(result, 3, std::string(name) + " is missing", "");
      EXPECT_EQ(result.status().message().find("FLOAT"), std::string_view::npos) << result.status();
    }
  }
}

}  // namespace
}  // namespace shardfs::testing
