// RuleTable: which slice of each tensor a rank gets, as the table's JSON says it, checked as far as that can be without
// a checkpoint. Source: spec/rank-cuts.md, section 2.
//
// Immutable once read, but for what options put into it (rank_cut_options.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layout/rank_cut/expression.h"
#include "layout/rank_cut/name_pattern.h"
#include "shardfs/base/result.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/tensor/dtype.h"

namespace shardfs::rank_cut {

// Sizes and orders as they were given; what is not given has a default (rank_grids.h).
struct MeshSpec {
  std::optional<std::uint64_t> tp, cp, dp, pp, ep, etp, world;
  std::string order = "tp-cp-ep-dp-pp";
  std::optional<std::string> expert_order;
};

// How n things are shared out where g does not divide n.
enum class Uneven : std::uint8_t {
  kRefused,
  kCeil,   // ceil(n/g) each, the tail short
  kFirst,  // the first n % g have one more
};

// Which pipeline stage holds a tensor.
struct StageRule {
  enum class Kind : std::uint8_t { kOfLayer, kFirst, kLast, kAll, kNumber };
  Kind kind = Kind::kOfLayer;
  Expression number;  // kNumber
};

struct ExtraLayer {
  Expression index;
  StageRule stage;  // kFirst, kLast or kNumber
};

struct LayersSpec {
  enum class Split : std::uint8_t {
    kEven,
    kCeil,
    kRemainderFirst,
    kRemainderLast,
    kEnds,
    kAccount,
    kExplicit,
  };
  Expression count;
  Split split = Split::kEven;
  std::optional<Expression> first, last;  // kEnds
  bool counts_embedding = false;          // kAccount: as a layer of the first stage
  bool counts_loss = false;               // kAccount: as one of the last
  std::vector<Expression> counts;         // kExplicit
  bool allow_empty = false;
  bool local_names = false;
  std::vector<ExtraLayer> extra;
};

struct ExpertsSpec {
  Expression count;
  Uneven uneven = Uneven::kRefused;
  bool local_names = false;
};

enum class CutGroup : std::uint8_t { kTp, kEp, kEtp };
std::string_view CutGroupName(CutGroup group);

// A part of an axis that is cut alone.
struct CutBlock {
  Expression size;
  std::optional<Expression> units, unit_size;
  bool replicate = false;
};

struct CutPad {
  Expression multiple;
  bool per_rank = true;  // the multiple is of each rank's share
};

struct CutRule {
  std::int64_t axis = 0;  // negative: from the end
  CutGroup group = CutGroup::kTp;
  Uneven uneven = Uneven::kRefused;
  std::optional<Expression> units, unit_size;
  bool replicate = false;
  std::vector<CutBlock> blocks;
  std::optional<CutPad> pad;
};

struct AlsoOutput {
  std::vector<OutputName> as;  // one for each pattern of the rule
  StageRule stage;             // kOfLayer: as the rule
  std::string if_absent;       // only where the source has no such tensor; empty: always
};

struct Rule {
  std::vector<NamePattern> match;
  std::vector<CutRule> cuts;
  bool expert = false;
  StageRule stage;
  std::optional<std::vector<Expression>> shape;
  std::vector<Dtype> dtypes;   // none: any
  std::vector<OutputName> as;  // one for each pattern, or none
  std::vector<AlsoOutput> also;
  bool rolls = false;
  bool drop = false;
  bool optional = false;

  const std::string& text() const { return match.front().text(); }  // for messages
};

struct PairRule {
  NamePattern out;
  std::string out_part, in_part;
  std::int64_t out_axis = 0;
  std::int64_t in_axis = 1;
  std::optional<Expression> ratio;
};

struct ScaleRule {
  NamePattern match;
  std::string scale_part, weight_part;
  std::vector<Expression> block;
};

struct RuleTable {
  MeshSpec mesh;
  std::vector<std::pair<std::string, Expression>> dims;
  std::optional<LayersSpec> layers;
  std::optional<ExpertsSpec> experts;
  std::vector<Rule> rules;
  std::vector<PairRule> pairs;
  std::vector<ScaleRule> scales;
  std::string file_name = "rank_{rank:05d}/model.safetensors";
  FileMetadata metadata;
};

// `what` names the table in messages. bad-rule, kNotSupported where a limit is exceeded.
Result<RuleTable> ReadRuleTable(std::string_view json, std::string_view what);

}  // namespace shardfs::rank_cut
