// For each stored name it is known which ranks hold the same part: those of other data-parallel groups, all of them for
// what is not split, and neighbours where an axis is shorter than its group. Each stored tensor is compared with that
// of the lowest rank of its part; a tensor in a folder that ranks share is one tensor, and is read once. Two
// exceptions: a row-parallel quant_bias must be zero away from the first rank of its group, and a router may be
// rotated, so that the rank's own experts come first.
#include "layout/mindie/reader/replica_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "base/escape_controls.h"
#include "base/parallel.h"
#include "base/quote_name.h"
#include "checkpoint/read_text.h"
#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/reader/merge_geometry.h"
#include "layout/mindie/reader/sharded_directory.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxNamed = 10;
constexpr std::size_t kBlockBytes = 1 << 20;

// How a stored name is split among ranks.
enum class Split : std::uint8_t {
  kReplicated,
  kAttention,  // by the rank in its tensor-parallel group
  kWorld,
  kExperts,  // by expert-parallel rank, and the rank in its group
  kRouter,   // replicated, rows perhaps rotated
};

// A tensor that must be what another is.
struct Pair {
  const TensorInfo* first = nullptr;  // null: `other` must be zeros
  const TensorInfo* other = nullptr;
  std::uint64_t rotation = 0;  // rows by which `other` may be rotated
};

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// A linear's companion that stays whole where the linear's columns are split.
bool IsWholeOfRow(std::string_view name) {
  if (!Contains(name, ".down_proj.") && !Contains(name, ".o_proj.")) return false;
  return name.ends_with(".weight_offset") || name.ends_with(".deq_scale") || name.ends_with(".quant_bias") ||
         name.ends_with(".weight_scale");
}

class PairFinder {
 public:
  PairFinder(const ShardedDirectory& directory, const DeepseekConfig& config)
      : directory_(directory), sizes_(directory.sizes()), config_(config) {}

  std::vector<Pair> Find() {
    for (std::uint32_t number = 0; number < directory_.name_count(); ++number) AddPairsOf(number);
    return std::move(pairs_);
  }

 private:
  bool IsRouted(const TensorInfo& stored) const {
    const std::string& name = stored.name;
    if (!Contains(name, ".mlp.gate_up_proj.") && !Contains(name, ".mlp.down_proj.")) return false;
    // A dense layer's are of the same names.
    const std::string layer = name.substr(0, name.find(".mlp."));
    return directory_.Find(layer + ".mlp.gate.weight").has_value();
  }

  // Whether it is a scale of W4A8 experts with a column for each group, which ranks split: gate_up_proj's has several.
  bool HasSplitScales(const TensorInfo& stored) const {
    if (stored.dtype != Dtype::kI64 || stored.shape.size() != 3) return false;
    const auto number =
        directory_.Find(stored.name.substr(0, stored.name.find(".mlp.")) + ".mlp.gate_up_proj.weight_scale");
    return number && directory_.At(0, *number).shape.size() == 3 && directory_.At(0, *number).shape[1] > 1;
  }

  Split SplitOf(const TensorInfo& stored) const {
    const std::string& name = stored.name;
    if (name.ends_with(".mlp.gate.weight") || name.ends_with(".mlp.gate.bias")) return Split::kRouter;
    if (IsRouted(stored)) return Split::kExperts;
    if (name.ends_with(".input_scale") || name.ends_with(".input_offset") || IsWholeOfRow(name))
      return Split::kReplicated;
    if (name == "model.embed_tokens.weight") return Split::kAttention;
    if (name == "lm_head.weight") return Parts(stored, config_.vocab_size);
    if (Contains(name, ".shared_experts.")) return SharedSplit(stored);
    const bool is_split = Contains(name, ".q_b_proj.") || Contains(name, ".k_b_proj.") ||
                          Contains(name, ".v_b_proj.") || Contains(name, ".o_proj.") || Contains(name, ".mlp.");
    return is_split ? Split::kAttention : Split::kReplicated;
  }

  Split Parts(const TensorInfo& stored, std::uint64_t size) const {
    const bool by_world = !stored.shape.empty() && stored.shape[0] == SliceSize(size, sizes_.world_size);
    return by_world ? Split::kWorld : Split::kAttention;
  }

  Split SharedSplit(const TensorInfo& stored) const {
    const std::string prefix = stored.name.substr(0, stored.name.find(".shared_experts."));
    const auto number = directory_.Find(prefix + ".shared_experts.gate_up_proj.weight");
    if (!number) return Split::kReplicated;
    const Shape& shape = directory_.At(0, *number).shape;
    const std::uint64_t width = config_.moe_intermediate_size * config_.shared_experts;
    const std::uint64_t rows = shape.empty() ? 0 : shape[0];
    if (rows == 2 * SliceSize(width, sizes_.world_size)) return Split::kWorld;
    return rows == 2 * SliceSize(width, sizes_.moe_tp) ? Split::kExperts : Split::kReplicated;
  }

  // Which part of the tensor a rank holds, as a number; {group, place in the group}.
  std::pair<std::uint32_t, std::uint32_t> PartOf(std::uint32_t rank, Split split, const TensorInfo& stored) const {
    const MindieCoordinates at = sizes_.At(rank);
    switch (split) {
      case Split::kReplicated:
      case Split::kRouter:
        return {0, 0};
      case Split::kAttention:
        return {0, at.attention_tp};
      case Split::kWorld:
        return {0, rank};
      case Split::kExperts:
        break;
    }
    const bool is_shared = Contains(stored.name, ".shared_experts.");
    const std::uint64_t width = config_.moe_intermediate_size * (is_shared ? config_.shared_experts : 1);
    const auto sharing = static_cast<std::uint32_t>(RanksPerPart(width, sizes_.moe_tp));
    const bool is_whole = stored.name.ends_with(".input_scale") || stored.name.ends_with(".input_offset") ||
                          (IsWholeOfRow(stored.name) && !HasSplitScales(stored));
    return {is_shared ? 0 : at.moe_ep, is_whole ? 0 : at.moe_tp / sharing};
  }

  void AddPairsOf(std::uint32_t number) {
    const TensorInfo& lowest = directory_.At(0, number);
    const Split split = SplitOf(lowest);
    std::map<std::pair<std::uint32_t, std::uint32_t>, const TensorInfo*> first_of;
    std::set<const TensorInfo*> seen;
    for (std::uint32_t rank = 0; rank < sizes_.world_size; ++rank) {
      const TensorInfo& stored = directory_.At(rank, number);
      if (!seen.insert(&stored).second) continue;
      if (MustBeZero(rank, stored)) {
        pairs_.push_back({nullptr, &stored});
        continue;
      }
      const auto [place, is_new] = first_of.try_emplace(PartOf(rank, split, stored), &stored);
      if (is_new) continue;
      const std::uint64_t local = config_.routed_experts / sizes_.moe_ep;
      pairs_.push_back({place->second, &stored, split == Split::kRouter ? sizes_.At(rank).moe_ep * local : 0});
    }
  }

  // Whether it is the quant_bias of a row-parallel linear on a rank that must not add it again.
  bool MustBeZero(std::uint32_t rank, const TensorInfo& stored) const {
    if (!stored.name.ends_with(".quant_bias") || !IsWholeOfRow(stored.name)) return false;
    const MindieCoordinates at = sizes_.At(rank);
    if (IsRouted(stored)) return at.moe_tp != 0;
    if (!Contains(stored.name, ".shared_experts.")) return at.attention_tp != 0;
    const Split split = SharedSplit(stored);
    return split == Split::kWorld ? rank != 0 : split == Split::kExperts && at.moe_tp != 0;
  }

  const ShardedDirectory& directory_;
  const ShardedSizes& sizes_;
  const DeepseekConfig& config_;
  std::vector<Pair> pairs_;
};

// Whether bytes [other_at, other_at + size) of `other` are bytes [first_at, ...) of `first`.
Result<bool> SameBytes(const Pair& pair, std::uint64_t first_at, std::uint64_t other_at, std::uint64_t size) {
  std::vector<std::byte> a;
  std::vector<std::byte> b;
  for (std::uint64_t done = 0; done < size; done += kBlockBytes) {
    const std::uint64_t step = std::min<std::uint64_t>(kBlockBytes, size - done);
    a.assign(step, std::byte{0});
    b.resize(step);
    SHARDFS_RETURN_IF_ERROR(pair.other->source->ReadAt(pair.other->offset + other_at + done, b));
    if (pair.first != nullptr) {
      SHARDFS_RETURN_IF_ERROR(pair.first->source->ReadAt(pair.first->offset + first_at + done, a));
    }
    if (a != b) return false;
  }
  return true;
}

Result<bool> IsSame(const Pair& pair) {
  const std::uint64_t size = pair.other->size;
  SHARDFS_ASSIGN_OR_RETURN(const bool same, SameBytes(pair, 0, 0, size));
  if (same || pair.rotation == 0) return same;
  const std::uint64_t moved = pair.rotation * (size / pair.other->shape[0]);
  SHARDFS_ASSIGN_OR_RETURN(const bool tail, SameBytes(pair, moved, 0, size - moved));
  if (!tail) return false;
  return SameBytes(pair, 0, size - moved, moved);
}

std::string Sentence(const Pair& pair) {
  const std::string other = QuoteName(pair.other->source->name());
  if (pair.first == nullptr) {
    return fmt::format("{} in {} is not zero, but only the first rank of a group may add it", pair.other->name, other);
  }
  return fmt::format("{} differs in {} and {}", pair.other->name, QuoteName(pair.first->source->name()), other);
}

}  // namespace

Result<ReplicaCheck> CheckReplicas(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(const auto directory, ShardedDirectory::Open(path));
  SHARDFS_RETURN_IF_ERROR(directory->CheckRanksAgree());
  const auto read = [&](const std::string& name, std::uint64_t limit) {
    return ReadText(directory->root(), name, limit);
  };
  SHARDFS_ASSIGN_OR_RETURN(const EffectiveConfig effective, EffectiveConfig::Read(read, path));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekConfig config, DeepseekConfig::Parse(effective.json()));
  const std::vector<Pair> pairs = PairFinder(*directory, config).Find();
  std::vector<Status> statuses(pairs.size());
  std::vector<char> differs(pairs.size(), 0);
  ParallelFor(pairs.size(), [&](std::size_t i) {
    const Result<bool> same = IsSame(pairs[i]);
    statuses[i] = same.status();
    differs[i] = same.ok() && !*same ? 1 : 0;
  });
  ReplicaCheck check;
  check.tensors = pairs.size();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (!statuses[i].ok()) return statuses[i].WithContext(pairs[i].other->name);
    if (differs[i] != 0 && ++check.differing <= kMaxNamed) check.first.push_back(Sentence(pairs[i]));
  }
  return check;
}

std::string FormatReplicaCheck(const ReplicaCheck& check) {
  if (check.differing == 0) {
    return fmt::format("Replicas: all {} copies of tensors that ranks share are the same\n", check.tensors);
  }
  std::string text =
      fmt::format("Replicas: {} of {} copies of tensors that ranks share differ; the lowest rank's are shown\n",
                  check.differing, check.tensors);
  for (const std::string& sentence : check.first) text += "  " + EscapeControls(sentence) + "\n";
  if (check.differing > check.first.size()) {
    text += fmt::format("  and {} more\n", check.differing - check.first.size());
  }
  return text;
}

ContentCheck MakeReplicaCheck(std::string path) {
  return {"replicas", [path = std::move(path)]() -> Result<CheckAnswer> {
            SHARDFS_ASSIGN_OR_RETURN(ReplicaCheck check, CheckReplicas(path));
            return CheckAnswer{FormatReplicaCheck(check),
                               {{"copies", check.tensors}, {"differing", check.differing}},
                               "first_differing",
                               std::move(check.first),
                               check.differing > 0};
          }};
}

}  // namespace shardfs
