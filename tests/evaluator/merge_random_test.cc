// Random checkpoints there and back: the evaluator cuts one for random sizes, the reader merges the directory, and each
// tensor is held against the original, as far as the specification says that it comes back; then the layout cuts the
// merged checkpoint for other sizes, and its whole view must be what the evaluator makes of the original.
// SHARDFS_RANDOM_CASES, SHARDFS_RANDOM_FIRST: as in random_case_test.cc.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>

#include "evaluator/case_comparison.h"
#include "evaluator/layout_options.h"
#include "evaluator/random_case.h"
#include "layout/mindie/reader/mindie_reader.h"

namespace shardfs::evaluator {
namespace {

namespace fs = std::filesystem;

void WriteDirectory(const Directory& directory, const fs::path& path) {
  fs::create_directory(path);
  for (const std::string& folder : directory.folders) fs::create_directories(path / folder);
  for (const auto& [name, bytes] : directory.files) std::ofstream(path / name, std::ios::binary) << bytes;
  std::ofstream(path / "model_sharded_metadata.json") << DumpPythonJson(directory.metadata);
}

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool HasTensor(const RandomCase& c, std::string_view suffix) {
  return std::any_of(c.tensors.begin(), c.tensors.end(),
                     [&](const auto& tensor) { return tensor.first.ends_with(suffix); });
}

std::string MtpPrefix(const RandomCase& c) { return "model.layers." + std::to_string(c.dims.layers) + "."; }

bool IsOfMtp(const RandomCase& c, const std::string& name) { return name.starts_with(MtpPrefix(c)); }

// The exceptions by name: what a directory does not hold, or not as it was. (spec/mindie-as-source.md, section 2)
bool IsLost(const RandomCase& c, const std::string& name) {
  if (name.ends_with(".e_score_correction_bias")) return true;                       // shifted and rounded
  if (name.ends_with("up_proj.input_scale")) return true;                            // gate_proj's
  if (name.ends_with(".input_offset") || name.ends_with(".deq_scale")) return true;  // of another dtype
  if (IsOfMtp(c, name) && (name.ends_with(".embed_tokens.weight") || Has(name, ".shared_head.head."))) return true;
  if (Has(name, ".module.") || name.ends_with("norm.bias")) return true;  // where the description has them stored
  const bool is_w4a8 = c.tensors.contains(name.substr(0, name.rfind('.')) + ".scale_bias");
  if (is_w4a8) return !name.ends_with(".weight") && !(name.ends_with(".scale_bias") && !Has(name, ".down_proj."));
  const bool is_static = c.tensors.contains(name.substr(0, name.rfind('.')) + ".deq_scale");
  return is_static && (name.ends_with(".weight_scale") || name.ends_with(".weight_offset"));
}

// What the original is after it was read in the model's dtype.
Array Expected(const RandomCase& c, const std::string& name, const Array& original, Dtype shown) {
  const bool is_float = IsFloat(original.dtype);
  if (!is_float || name.ends_with(".scale_bias")) return original;
  return Cast(Cast(original, c.dtype), shown);
}

std::string Bytes(const Checkpoint& checkpoint, const TensorSpec& spec) {
  const auto tensor = checkpoint.Build(spec);
  EXPECT_TRUE(tensor.ok()) << tensor.status();
  if (!tensor.ok()) return "";
  EXPECT_EQ((*tensor)->shape(), spec.shape) << spec.name;
  EXPECT_EQ((*tensor)->dtype(), spec.dtype) << spec.name;
  const auto plan = LowerToPlan(*tensor);
  EXPECT_TRUE(plan.ok()) << plan.status();
  std::string bytes(plan->size(), '\0');
  const Status read = plan->ReadAt(0, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(read.ok()) << read;
  return bytes;
}

Differences CompareMerged(const RandomCase& c, const Checkpoint& merged) {
  Differences differences;
  for (const TensorSpec& spec : merged.tensors().specs()) Bytes(merged, spec);
  for (const auto& [name, original] : c.tensors) {
    if (IsLost(c, name) || (IsOfMtp(c, name) && !c.given.mtp)) continue;
    const TensorSpec* const spec = merged.Find(name);
    if (spec == nullptr) {
      differences.push_back(name + " is not merged");
      continue;
    }
    const Array expected = Expected(c, name, original, spec->dtype);
    if (spec->shape != expected.shape || spec->dtype != expected.dtype) {
      differences.push_back(name + " has another shape or dtype");
    } else if (Bytes(merged, *spec) != expected.bytes) {
      differences.push_back(name + " differs");
    }
  }
  return differences;
}

std::int64_t Divisor(RandomNumbers* random, std::uint64_t of, std::uint64_t and_of) {
  std::vector<std::int64_t> divisors;
  for (std::uint64_t d = 1; d <= std::min<std::uint64_t>(std::min(of, and_of), 8); ++d) {
    if (of % d == 0 && and_of % d == 0) divisors.push_back(static_cast<std::int64_t>(d));
  }
  return random->OneOf(divisors);
}

// Other sizes that fit the model.
Options OtherOptions(RandomNumbers* random, const RandomCase& c) {
  Options other;
  other.tp = Divisor(random, c.dims.heads, c.dims.hidden);
  other.dp = static_cast<std::int64_t>(random->Between(1, 2));
  other.world = other.tp * other.dp;
  other.moe_ep = Divisor(random, static_cast<std::uint64_t>(other.world), c.dims.experts);
  other.moe_tp = other.world / other.moe_ep;
  other.mtp = c.given.mtp && random->Chance(70);
  other.dp_partition_up = random->Chance(20);
  if (random->Chance(30)) other.max_shard_bytes = random->Between(200, 20'000);
  const bool any = c.dims.first_moe_layer < 3 || random->Chance(50);
  other.fidelity = any ? Fidelity::kLoader : Fidelity::kSharder;
  return other;
}

// Whether the description cannot be the original's: weight_sharder does not record which norms have anti-outlier pairs.
bool LosesDescription(const RandomCase& c, const Options& other) {
  return c.given.fidelity == Fidelity::kSharder && other.fidelity == Fidelity::kLoader &&
         HasTensor(c, ".module.weight");
}

// Says what differs; nothing where the directory cannot be cut again, and is not.
Differences CompareResharded(const RandomCase& c, const CheckpointPtr& merged, const fs::path& source,
                             const Options& other) {
  std::optional<Directory> expected;
  try {
    expected = Evaluate(source, other);
  } catch (const Refused&) {
    // What the original cannot be cut for, the merge cannot either.
  }
  const auto view = BuildMindieView(merged, OptionsForLayout(other));
  const bool has_sums = HasTensor(c, ".scale_bias");
  const bool cuts_sums = has_sums && c.effective.moe_tp % other.moe_tp != 0;
  if (!view.ok()) {
    if (!expected || cuts_sums) return {};
    return {"is refused: " + view.status().ToString()};
  }
  if (!expected) return {"should be refused"};
  Differences differences = Compare(*view->tree, *expected);
  std::erase_if(differences, [&](const std::string& difference) {
    if (LosesDescription(c, other) && Has(difference, "quant_model_description")) return true;
    return has_sums && c.effective.moe_tp != other.moe_tp && Has(difference, "down_proj.bias");
  });
  return differences;
}

// In an F16 model a float deq_scale becomes the bits of an F32. Where a source has both, they cannot be told apart.
bool MixesDeqScales(const RandomCase& c) {
  bool has_float = false;
  bool has_bits = false;
  for (const auto& [name, tensor] : c.tensors) {
    if (!name.ends_with(".deq_scale")) continue;
    (IsFloat(tensor.dtype) ? has_float : has_bits) = true;
  }
  return c.dtype == Dtype::kF16 && has_float && has_bits;
}

// Writes the files of a view.
void WriteView(const VirtualTree& tree, const fs::path& directory) {
  for (NodeId id = 0; id < tree.size(); ++id) {
    const VirtualNode& node = tree.node(id);
    if (node.is_directory()) continue;
    std::string bytes(node.file->size(), '\0');
    const Status read = node.file->ReadAt(0, std::as_writable_bytes(std::span(bytes)));
    EXPECT_TRUE(read.ok()) << read;
    const fs::path path = directory / tree.PathOf(id);
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
}

// The directory cut again for other sizes, and merged from these: each tensor is what the first merge gave. Where the
// variant changes, or W4A8 sums of other slices, the two merges differ by the rules of their losses.
Differences CompareMergedAgain(const RandomCase& c, const CheckpointPtr& merged, const fs::path& directory,
                               const Options& other, std::uint64_t* compared) {
  const auto view = BuildMindieView(merged, OptionsForLayout(other));
  const bool changes_sums = HasTensor(c, ".scale_bias") && c.effective.moe_tp != other.moe_tp;
  if (!view.ok() || changes_sums || other.fidelity != c.given.fidelity) return {};
  WriteView(*view->tree, directory);
  const auto again = MindieReader().Open(directory, OptionValues());
  if (!again.ok()) return {"cannot be merged again: " + again.status().ToString()};
  Differences differences;
  for (const TensorSpec& spec : merged->tensors().specs()) {
    if (IsOfMtp(c, std::string(spec.name)) && !other.mtp) continue;
    const TensorSpec* const found = (*again)->Find(spec.name);
    if (found == nullptr) {
      differences.push_back(std::string(spec.name) + " is not merged again");
    } else if (Bytes(**again, *found) != Bytes(*merged, spec)) {
      differences.push_back(std::string(spec.name) + " differs when it is merged again");
    }
  }
  ++*compared;
  return differences;
}

struct Count {
  std::uint64_t merged = 0;
  std::uint64_t again = 0;  // of them, cut for other sizes and merged once more
  std::uint64_t refused = 0;
};

void RunSeed(std::uint64_t seed, bool quantised, Fidelity fidelity, Count* count) {
  RandomNumbers random(seed);
  RandomCase c = ChooseCase(&random, quantised, fidelity);
  c.fa_quant_type.reset();
  c.given.dense_mlp_local_tp = -1;
  MakeTensors(&random, &c);
  const Scratch scratch;
  fs::create_directory(scratch.path() / "source");
  WriteSource(&random, c, scratch.path() / "source");
  try {
    WriteDirectory(Evaluate(scratch.path() / "source", c.given), scratch.path() / "cut");
  } catch (const Refused&) {
    ++count->refused;
    return;
  }
  const auto merged = MindieReader().Open(scratch.path() / "cut", OptionValues());
  ASSERT_TRUE(merged.ok()) << merged.status() << "\nseed " << seed << ": " << c.ToString();
  ++count->merged;
  const Options other = OtherOptions(&random, c);
  Differences differences = CompareMerged(c, **merged);
  if (!MixesDeqScales(c)) {
    for (std::string& one : CompareResharded(c, *merged, scratch.path() / "source", other)) {
      differences.push_back("cut for world " + std::to_string(other.world) + " tp " + std::to_string(other.tp) +
                            " moe_tp " + std::to_string(other.moe_tp) + " mtp " + std::to_string(other.mtp) + " " +
                            (other.fidelity == Fidelity::kLoader ? "loader" : "sharder") + ": " + std::move(one));
    }
  }
  if (!MixesDeqScales(c)) {
    for (std::string& one : CompareMergedAgain(c, *merged, scratch.path() / "again", other, &count->again)) {
      differences.push_back(std::move(one));
    }
  }
  if (differences.empty()) return;
  std::string message = "seed " + std::to_string(seed) + ": " + c.ToString();
  for (std::size_t i = 0; i < std::min<std::size_t>(differences.size(), 5); ++i) message += "\n  " + differences[i];
  ADD_FAILURE() << message;
}

void RunSeeds(bool quantised, Fidelity fidelity) {
  const std::uint64_t first = FromEnvironment("SHARDFS_RANDOM_FIRST", 1);
  const std::uint64_t cases = FromEnvironment("SHARDFS_RANDOM_CASES", 15);
  Count count;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    RunSeed(seed, quantised, fidelity, &count);
    if (::testing::Test::HasFailure()) break;
  }
  std::cout << count.merged << " merged, " << count.again << " of them cut again and merged once more, " << count.refused
            << " refused before\n";
  EXPECT_GE(count.again * 8, count.merged) << "too few went round";
  EXPECT_GE(count.merged * 2 + 10, cases) << "too few cases were compared";
}

TEST(MergeRandomTest, FloatFromTheSharders) { RunSeeds(false, Fidelity::kSharder); }
TEST(MergeRandomTest, FloatFromTheLoaders) { RunSeeds(false, Fidelity::kLoader); }
TEST(MergeRandomTest, QuantisedFromTheSharders) { RunSeeds(true, Fidelity::kSharder); }
TEST(MergeRandomTest, QuantisedFromTheLoaders) { RunSeeds(true, Fidelity::kLoader); }

}  // namespace
}  // namespace shardfs::evaluator
