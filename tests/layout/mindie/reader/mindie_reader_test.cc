// What the reader makes of a MindIE directory, and what it refuses: directories of the reference, copied and damaged.
#include "layout/mindie/reader/mindie_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "layout/golden_case.h"
#include "layout/mindie/reader/replica_check.h"
#include "layout/mindie/reader/sharded_directory.h"
#include "shardfs/format/safetensors/header.h"
#include "source/scratch_directory.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const char* const kBf16 = "bf16_dp2tp2_mtp2ep2";

class MindieReaderTest : public ::testing::Test {
 protected:
  // A copy of what the reference wrote.
  void Copy(const std::string& golden) {
    fs::remove_all(path());
    fs::copy(FindGoldenCase(golden).expected, path(), fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(path())) {
      fs::permissions(entry, fs::perms::owner_all, fs::perm_options::add);
    }
  }

  Result<CheckpointPtr> Open(const std::string& mtp_shared = "alias") const {
    std::vector<const OptionSpec*> specs;
    for (const OptionSpec& spec : MindieReader().options()) specs.push_back(&spec);
    GivenOption option{"mtp_shared", mtp_shared, OptionOrigin::kCommandLine, "--mtp-shared"};
    return MindieReader().Open(path(), OptionValues::Create({option}, specs).value());
  }

  void Edit(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = ReadFile(path() / file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    std::ofstream(path() / file) << text.replace(at, from.size(), to);
  }

  // Writes a shard of zeros.
  void WriteShard(const std::string& file, const std::vector<NewTensor>& tensors) const {
    const auto header = SerializeHeader(tensors);
    ASSERT_TRUE(header.ok()) << header.status();
    std::string bytes = header->bytes;
    bytes.resize(header->file_size);
    std::ofstream(path() / file, std::ios::binary) << bytes;
  }

  void ExpectRefused(StatusCode code, const std::string& sentence) const {
    const auto checkpoint = Open();
    ASSERT_FALSE(checkpoint.ok()) << sentence;
    EXPECT_EQ(checkpoint.status().code(), code) << checkpoint.status();
    EXPECT_THAT(std::string(checkpoint.status().message()), HasSubstr(sentence));
  }

  fs::path path() const { return scratch_.path() / "sharded"; }

  ScratchDirectory scratch_;
};

TEST_F(MindieReaderTest, IsCertainOfTheMetadataAlone) {
  const std::vector<std::string> sharded = {"config.json", "model-000", "model_sharded_metadata.json"};
  EXPECT_EQ(MindieReader().Recognise(sharded).degree, Recognition::Degree::kCertain);
  EXPECT_EQ(MindieReader().Recognise(sharded).evidence, "model_sharded_metadata.json");
  const std::vector<std::string> whole = {"config.json", "model.safetensors"};
  EXPECT_EQ(MindieReader().Recognise(whole).degree, Recognition::Degree::kNo);
}

TEST_F(MindieReaderTest, HandsOnWhatLiesInTheRootButItsOwnFiles) {
  Copy("w8a16_dp2tp2_mtp2ep2");
  std::ofstream(path() / ".shardfs-manifest.json") << "{}";
  std::ofstream(path() / "notes.txt") << "x";
  std::ofstream(path() / "quant_model_description_other.json") << "{}";
  fs::create_directory(path() / "model-099");
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::vector<std::string> names;
  for (const CompanionFile& file : (*checkpoint)->files()) names.push_back(file.name);
  EXPECT_THAT(names, AllOf(Contains("notes.txt"), Contains("config.json"), Contains("tokenizer.json"),
                           Contains("quant_model_description_w8a16.json")));
  EXPECT_THAT(names, Not(Contains(HasSubstr("shardfs"))));
  EXPECT_THAT(names, Not(Contains("model_sharded_metadata.json")));
  EXPECT_THAT(names, Not(Contains("quant_model_description_other.json")));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT((*checkpoint)->warnings(),
              ::testing::IsSupersetOf({HasSubstr("'model-099' is left out"), HasSubstr("e_score_correction_bias"),
                                       HasSubstr("weight_scale is rounded to BF16")}));
  EXPECT_EQ(ShardsOf(**checkpoint), "4 ranks (dp 2, tp 2, moe_tp 2, moe_ep 2), as weight_sharder writes it");
  EXPECT_EQ((*checkpoint)->storage(), Checkpoint::Storage::kSlices);
}

TEST_F(MindieReaderTest, TheMtpLayerSharesTheModelsEmbeddingAndHead) {
  Copy(kBf16);
  const auto alias = Open("alias");
  const auto omit = Open("omit");
  ASSERT_TRUE(alias.ok() && omit.ok()) << alias.status() << omit.status();
  for (const char* name : {"model.layers.5.embed_tokens.weight", "model.layers.5.shared_head.head.weight"}) {
    ASSERT_NE((*alias)->Find(name), nullptr) << name;
    EXPECT_EQ((*alias)->Find(name)->shape, (*alias)->Find("lm_head.weight")->shape);
    EXPECT_EQ((*omit)->Find(name), nullptr) << name;
  }
  EXPECT_EQ((*omit)->tensors().specs().size() + 2, (*alias)->tensors().specs().size());
}

TEST_F(MindieReaderTest, SpecsAreWhatIsBuilt) {
  for (const char* golden : {kBf16, "w8a8_fp16_fdeq_dp2tp2_mtp2ep2", "w4a8_group_dp2tp2_mtp2ep2"}) {
    Copy(golden);
    const auto checkpoint = Open();
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    for (const TensorSpec& spec : (*checkpoint)->tensors().specs()) {
      const auto tensor = (*checkpoint)->Build(spec);
      ASSERT_TRUE(tensor.ok()) << tensor.status();
      EXPECT_EQ((*tensor)->shape(), spec.shape) << spec.name;
      EXPECT_EQ((*tensor)->dtype(), spec.dtype) << spec.name;
      EXPECT_TRUE(fs::exists(path() / (*checkpoint)->OriginOf(spec))) << spec.name;
    }
  }
}

TEST_F(MindieReaderTest, MissingFoldersAreNamedWithTheirRanks) {
  Copy(kBf16);
  fs::remove_all(path() / "model-attn-tp-001");
  ExpectRefused(StatusCode::kCorruption,
                "model-attn-tp-001 of rank 1 is missing: the directory of one node only? In all, 1 folder is missing, "
                "of ranks 1,3.");
  fs::remove_all(path() / "model-002");
  ExpectRefused(StatusCode::kCorruption, "In all, 2 folders are missing, of ranks 1-3.");
}

TEST_F(MindieReaderTest, AFileOfASetThatIsMissingIsTheReasonGiven) {
  Copy("bf16_split40k_dp1tp4_mtp2ep2");
  const std::string name = "model-00002-of-";
  for (const auto& entry : fs::directory_iterator(path() / "model-moe-tp-001-ep-001")) {
    if (entry.path().filename().string().starts_with(name)) fs::remove(entry);
  }
  ExpectRefused(StatusCode::kCorruption, "model-moe-tp-001-ep-001/model-*-of-");
  ExpectRefused(StatusCode::kCorruption, "rank 3 lacks ");
}

TEST_F(MindieReaderTest, MetadataThatDoesNotFit) {
  Copy(kBf16);
  const std::string metadata = "model_sharded_metadata.json";
  Edit(metadata, "\"dp\": 2", "\"dp\": 0");
  ExpectRefused(StatusCode::kCorruption, "\"dp\" of model_sharded_metadata.json is 0");
  Edit(metadata, "\"dp\": 0", "\"cp\": 1");
  ExpectRefused(StatusCode::kCorruption, "model_sharded_metadata.json has no \"dp\"");
  Edit(metadata, "\"cp\": 1", "\"dp\": 4");
  ExpectRefused(StatusCode::kCorruption, "dp * tp does not divide the world size");
  Edit(metadata, "\"dp\": 4", "\"dp\": 2");
  Edit(metadata, "\"world_size\": 4", "\"world_size\": 4, \"shardfs_fidelity\": \"loader\"");
  ExpectRefused(StatusCode::kCorruption,
                "shardfs_fidelity is loader, but the embedding has 161 rows for a vocabulary of 160");
  std::ofstream(path() / metadata) << "{";
  ExpectRefused(StatusCode::kCorruption, metadata);
  fs::remove(path() / metadata);
  ExpectRefused(StatusCode::kCorruption, "it has no model_sharded_metadata.json");
}

TEST_F(MindieReaderTest, AConfigOfAnotherModel) {
  Copy(kBf16);
  Edit("config.json", "\"vocab_size\": 160", "\"vocab_size\": 150");
  ExpectRefused(StatusCode::kCorruption, "the embedding has 161 rows for a vocabulary of 150");
  Edit("config.json", "\"vocab_size\": 150", "\"vocab_size\": 160");
  Edit("config.json", "\"moe_intermediate_size\": 32", "\"moe_intermediate_size\": 64");
  ExpectRefused(StatusCode::kCorruption, "2 parts [[16, 64], [16, 64]] do not make 64 on axis 0");
  Edit("config.json", "\"moe_intermediate_size\": 64", "\"moe_intermediate_size\": 32");
  Edit("config.json", "\"num_hidden_layers\": 5", "\"num_hidden_layers\": 4");
  ExpectRefused(StatusCode::kCorruption, "is no tensor of this model");
  Edit("config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5");
  Edit("config.json", "\"noaux_tc\"", "\"greedy\"");
  ExpectRefused(StatusCode::kNotSupported, "\"topk_method\" of config.json is not noaux_tc");
}

TEST_F(MindieReaderTest, TensorsThatARankLacksOrNoRuleUses) {
  Copy(kBf16);
  WriteShard("model-norm/more.safetensors", {{"model.layers.0.extra_layernorm.weight", Dtype::kBF16, {64}}});
  ExpectRefused(StatusCode::kCorruption,
                "model.layers.0.extra_layernorm.weight in 'model-norm/more.safetensors' is no tensor of this model");
  fs::remove(path() / "model-norm/more.safetensors");
  WriteShard("model-norm/more.safetensors", {{"model.norm.weight", Dtype::kBF16, {64}}});
  ExpectRefused(StatusCode::kCorruption,
                "tensor 'model.norm.weight' stands in 'model-norm/model.safetensors' and in "
                "'model-norm/more.safetensors'");
  fs::remove(path() / "model-norm/more.safetensors");
  WriteShard("model-003/more.safetensors", {{"model.norm.weight", Dtype::kBF16, {64}}});
  ExpectRefused(StatusCode::kCorruption,
                "rank 3 has model.norm.weight in 'model-norm/model.safetensors' and in "
                "'model-003/more.safetensors'");
  fs::remove(path() / "model-003/more.safetensors");
  fs::remove(path() / "model-002/model.safetensors");
  ExpectRefused(StatusCode::kCorruption, "rank 2 lacks lm_head.weight");
}

TEST_F(MindieReaderTest, FoldersOfTwoRuns) {
  Copy(kBf16);
  fs::copy_file(FindGoldenCase("bf16_dp1tp2_mtp2ep1").expected / "model-001/model.safetensors",
                path() / "model-003/model.safetensors", fs::copy_options::overwrite_existing);
  ExpectRefused(StatusCode::kCorruption, "in 'model-003/model.safetensors': the folders come from different runs");
}

TEST_F(MindieReaderTest, QuantisedWeightsNeedTheirDescriptionAndKind) {
  Copy("w8a16_dp2tp2_mtp2ep2");
  fs::rename(path() / "quant_model_description_w8a16.json", scratch_.path() / "kept.json");
  ExpectRefused(StatusCode::kCorruption, "the checkpoint has no quant_model_description.json");
  fs::rename(scratch_.path() / "kept.json", path() / "quant_model_description_w8a16.json");
  Edit("config.json", "\"quantize\": \"w8a16\"", "\"quantize\": null");
  ExpectRefused(StatusCode::kCorruption, "is quantised, but config.json has no \"quantize\"");
}

// ---- copies that ranks share ----

class ReplicaCheckTest : public MindieReaderTest {
 protected:
  // Flips a bit in the first byte of a tensor.
  void Damage(const std::string& file, const std::string& tensor, std::uint64_t byte = 0) const {
    std::string bytes = ReadFile(path() / file);
    const auto view = std::as_bytes(std::span(bytes));
    const auto extent = HeaderExtent(view.first(8), bytes.size());
    ASSERT_TRUE(extent.ok());
    const auto header = ParseHeader(view.first(*extent), bytes.size(), file);
    ASSERT_TRUE(header.ok());
    for (const HeaderTensor& one : header->tensors) {
      if (one.name != tensor) continue;
      bytes[header->data_offset + one.begin + byte] ^= 1;
      std::ofstream(path() / file, std::ios::binary) << bytes;
      return;
    }
    FAIL() << tensor;
  }

  void ExpectDiffering(const std::string& sentence) const {
    const auto check = CheckReplicas(path());
    ASSERT_TRUE(check.ok()) << check.status();
    EXPECT_EQ(check->differing, 1u) << FormatReplicaCheck(*check);
    EXPECT_THAT(check->first, Contains(sentence));
  }
};

TEST_F(ReplicaCheckTest, WhatTheReferenceWroteAgrees) {
  for (const char* golden : {kBf16, "bf16_dp2tp8_mtp4ep4", "bf16_pad_dp1tp4_mtp2ep2", "mix_dp2tp2_mtp2ep2",
                             "w4a8_group_dp2tp2_mtp2ep2", "w8a16_dp2tp2_mtp2ep2", "w8a8_qmtp_dp2tp2_mtp2ep2"}) {
    Copy(golden);
    const auto check = CheckReplicas(path());
    ASSERT_TRUE(check.ok()) << golden << check.status();
    EXPECT_EQ(check->differing, 0u) << golden << FormatReplicaCheck(*check);
    EXPECT_GT(check->tensors, 0u) << golden;
  }
}

TEST_F(ReplicaCheckTest, ACopyThatDiffersIsNamedWithBothFiles) {
  Copy(kBf16);
  const std::string q_a = "model.layers.0.self_attn.q_a_proj.weight";
  Damage("model-attn-tp-001/model.safetensors", q_a, 5);
  ExpectDiffering(q_a + " differs in 'model-attn-tp-000/model.safetensors' and 'model-attn-tp-001/model.safetensors'");
  Copy(kBf16);
  Damage("model-002/model.safetensors", "model.embed_tokens.weight", 7);
  ExpectDiffering(
      "model.embed_tokens.weight differs in 'model-000/model.safetensors' and 'model-002/model.safetensors'");
}

TEST_F(ReplicaCheckTest, ARouterMayBeRotatedButNotDifferent) {
  Copy("bf16_pad_dp1tp4_mtp2ep2");
  const std::string router = "model.layers.3.mlp.gate.weight";
  Damage("model-moe-tp-001-ep-001/model.safetensors", router);
  ExpectDiffering(router +
                  " differs in 'model-moe-tp-000-ep-000/model.safetensors' and "
                  "'model-moe-tp-001-ep-001/model.safetensors'");
}

TEST_F(ReplicaCheckTest, ABiasThatOnlyOneRankMayAdd) {
  Copy("mix_dp2tp2_mtp2ep2");
  const std::string bias = "model.layers.0.self_attn.o_proj.quant_bias";
  Damage("model-attn-tp-001/model.safetensors", bias);
  ExpectDiffering(bias +
                  " in 'model-attn-tp-001/model.safetensors' is not zero, but only the first rank of a group may "
                  "add it");
}

}  // namespace
}  // namespace shardfs::testing
