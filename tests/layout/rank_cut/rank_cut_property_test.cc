// Random tables and meshes over one checkpoint whose elements say where they come from. A table that is taken must put
// each element where an independent account of it (reassembly.h) says, and lose none; a table made wrong must be
// refused, but for what no file can tell.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "layout/rank_cut/numbered_checkpoint.h"
#include "layout/rank_cut/rank_cut_layout.h"
#include "layout/rank_cut/reassembly.h"

namespace shardfs::testing {
namespace {

using Json = nlohmann::ordered_json;
using Kind = AxisChoice::Kind;

constexpr int kLayers = 5;
constexpr int kExperts = 6;

// A kind of tensor: its pattern, and how a case cuts it.
struct TensorKind {
  std::string pattern;
  Shape shape;
  std::string stage = "";  // empty: of its layer
  bool is_expert = false;
  std::map<int, AxisChoice> cuts = {};
};

std::vector<TensorKind> Kinds() {
  return {{"model.layers.{L}.attn.q.weight", {24, 12}},
          {"model.layers.{L}.attn.o.weight", {12, 24}},
          {"model.layers.{L}.attn.k.weight", {8, 12}},
          {"model.layers.{L}.fused.weight", {36, 2}},
          {"model.layers.{L}.norm.weight", {7}},
          {"model.layers.{L}.gate.weight", {kExperts, 2}},
          {"model.layers.{L}.experts.{E}.up.weight", {12, 2}, "", true},
          {"model.layers.{L}.experts.{E}.down.weight", {2, 12}, "", true},
          {"model.embed.weight", {25, 2}, "first"},
          {"model.norm.weight", {3}, "last"},
          {"lm_head.weight", {24, 2}, "last"},
          {"stacked.weight", {kExperts, 4}, "all"}};
}

std::string Replace(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

std::vector<std::string> NamesOf(const TensorKind& kind, int layer, int expert) {
  return {Replace(Replace(kind.pattern, "{L}", std::to_string(layer)), "{E}", std::to_string(expert))};
}

const NumberedCheckpoint& Source() {
  static const NumberedCheckpoint source = [] {
    std::set<std::pair<std::string, Shape>> tensors;
    for (const TensorKind& kind : Kinds()) {
      for (int layer = 0; layer < kLayers; ++layer) {
        for (int expert = 0; expert < kExperts; ++expert) {
          for (const std::string& name : NamesOf(kind, layer, expert)) tensors.emplace(name, kind.shape);
        }
      }
    }
    return NumberedCheckpoint(std::vector<std::pair<std::string, Shape>>(tensors.begin(), tensors.end()),
                              R"({"layers": 5})");
  }();
  return source;
}

struct Case {
  std::map<std::string, int> sizes;  // tp cp dp pp ep etp edp
  std::vector<std::string> order;
  std::string split;
  bool local_names = false;
  std::vector<TensorKind> kinds = Kinds();
};

class RandomTables {
 public:
  explicit RandomTables(unsigned seed) : random_(seed) {}

  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  template <typename Item>
  Item OneOf(const std::vector<Item>& items) {
    return items[static_cast<std::size_t>(Below(static_cast<int>(items.size())))];
  }

  Case Make() {
    Case made;
    auto& sizes = made.sizes;
    sizes = {{"tp", OneOf<int>({1, 2, 3, 4})},
             {"cp", OneOf<int>({1, 1, 1, 2})},
             {"dp", OneOf<int>({1, 1, 2, 3})},
             {"pp", OneOf<int>({1, 2, 3})}};
    const int stage_ranks = sizes["tp"] * sizes["cp"] * sizes["dp"];
    std::vector<int> divisors;
    for (int d = 1; d <= std::min(stage_ranks, kExperts); ++d) {
      if (stage_ranks % d == 0) divisors.push_back(d);
    }
    sizes["ep"] = OneOf(divisors);
    std::erase_if(divisors, [&](int d) { return stage_ranks / sizes["ep"] % d != 0; });
    sizes["etp"] = OneOf(divisors);
    sizes["edp"] = stage_ranks / sizes["ep"] / sizes["etp"];
    made.order = {"tp", "cp", "ep", "dp"};
    std::shuffle(made.order.begin(), made.order.end(), random_);
    made.order.insert(Below(2) == 0 ? made.order.begin() : made.order.end(), "pp");
    made.split = OneOf<std::string>({"ceil", "remainder_first", "remainder_last"});
    made.local_names = Below(4) == 0;
    ChooseCuts(made);
    return made;
  }

 private:
  void ChooseCuts(Case& made) {
    const auto cut = [&](std::size_t kind, int axis) -> AxisChoice& { return made.kinds[kind].cuts[axis]; };
    const int heads = OneOf<int>({12, 24});
    cut(0, 0) = {Kind::kUnits, "tp", heads, {}, 1, true};
    cut(1, 1) = {Kind::kUnits, "tp", heads, {}, 1, true};
    cut(2, 0) = {Kind::kUnits, "tp", OneOf<int>({1, 2, 4, 8}), {}, 1, true};
    cut(3, 0) = {Kind::kBlocks, "tp", 1, OneOf<std::vector<int>>({{12, 24}, {12, 12, 12}, {24, 12}}), 1, true};
    if (Below(2) == 0) cut(5, 0) = {Kind::kRoll, "ep", 1, {}, 1, true};
    cut(6, 0) = {Kind::kPlain, "etp", 1, {}, 1, true};
    cut(7, 1) = {Kind::kPlain, "etp", 1, {}, 1, true};
    const int how = Below(4);
    if (how == 0) cut(8, 0) = {Kind::kPad, "tp", 1, {}, OneOf<int>({1, 4, 5}), true};
    if (how == 1) cut(8, 0) = {Kind::kPad, "tp", 1, {}, 12, false};
    if (how == 2) cut(8, 0) = {OneOf<Kind>({Kind::kCeil, Kind::kFirst}), "tp", 1, {}, 1, true};
    if (Below(2) == 0) cut(10, 0) = {Kind::kPlain, "tp", 1, {}, 1, true};
    if (Below(2) == 0) cut(11, 0) = {Kind::kPlain, "ep", 1, {}, 1, true};
    // Two axes at once, by groups that are independent where ep is 1.
    if (Below(3) == 0) cut(11, 1) = {Kind::kPlain, "tp", 1, {}, 1, true};
  }

  std::mt19937 random_;
};

Json CutOf(int axis, const AxisChoice& choice) {
  Json cut = {{"axis", axis}, {"group", choice.group}};
  if (choice.kind == Kind::kUnits) {
    cut["units"] = choice.units;
    cut["replicate"] = true;
  }
  for (const int block : choice.blocks) cut["blocks"].push_back({{"size", block}});
  if (choice.kind == Kind::kPad) cut["pad"] = {{"multiple", choice.multiple}, {"per_rank", choice.per_rank}};
  if (choice.kind == Kind::kCeil) cut["uneven"] = "ceil";
  if (choice.kind == Kind::kFirst) cut["uneven"] = "first";
  return cut;
}

Json TableOf(const Case& made) {
  Json mesh = {{"tp", made.sizes.at("tp")}, {"cp", made.sizes.at("cp")}, {"dp", made.sizes.at("dp")},
               {"pp", made.sizes.at("pp")}, {"ep", made.sizes.at("ep")}, {"etp", made.sizes.at("etp")}};
  std::string order;
  for (const std::string& axis : made.order) order += (order.empty() ? "" : "-") + axis;
  mesh["order"] = order;
  Json table = {{"rank_cut", 1}, {"mesh", mesh}, {"dims", {{"layers", "config:layers"}}}};
  table["layers"] = {{"count", "layers"}, {"split", made.split}, {"names", made.local_names ? "local" : "global"}};
  table["experts"] = {{"count", kExperts}, {"names", made.local_names ? "local" : "global"}};
  for (const TensorKind& kind : made.kinds) {
    Json rule = {{"match", kind.pattern}};
    rule["shape"] = kind.shape;
    if (!kind.stage.empty()) rule["stage"] = kind.stage;
    if (kind.is_expert) rule["expert"] = true;
    for (const auto& [axis, choice] : kind.cuts) {
      if (choice.kind == Kind::kRoll) {
        rule["roll"] = "ep";
      } else if (choice.kind != Kind::kWhole) {
        rule["cut"].push_back(CutOf(axis, choice));
      }
    }
    table["rules"].push_back(rule);
  }
  table["pairs"] = {{{"out", "**.attn.q.weight"}, {"out_part", ".q."}, {"in_part", ".o."}},
                    {{"out", "**.up.weight"}, {"out_part", ".up."}, {"in_part", ".down."}}};
  return table;
}

Result<View> BuildTable(const std::string& table) {
  static const MountableDirectory scratch;
  const std::string file = scratch.path() / "rules.json";
  std::ofstream(file, std::ios::binary | std::ios::trunc) << table;
  const RankCutLayout layout;
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(layout, {{"rules", file}}));
  return layout.Build(Source().checkpoint(), values, {});
}

// Holds a view against the account of its case, and puts all ranks' files together again.
class Reassembly {
 public:
  explicit Reassembly(const Case& made) : case_(made), stages_(StagesOf(made.split, kLayers, Size("pp"))) {
    auto expert_sizes = made.sizes;
    for (const auto& [axis, size] : std::map<std::string, int>{{"tp", Size("etp")}, {"cp", 1}, {"dp", Size("edp")}}) {
      expert_sizes[axis] = size;
    }
    auto dense_sizes = made.sizes;
    dense_sizes["ep"] = 1;
    dense_ = CountUp(made.order, dense_sizes);
    expert_ = CountUp(made.order, expert_sizes);
    for (const auto& [name, shape] : Source().shapes()) {
      rebuilt_[name].resize(ElementCount(shape).value(), std::int32_t{-1});
    }
  }

  void Check(const View& view) {
    for (std::size_t rank = 0; rank < dense_.size(); ++rank) {
      const std::string number = std::to_string(rank);
      NodeId folder = 0;
      view.tree->FindChild(kRootNode, "rank_" + std::string(5 - number.size(), '0') + number, &folder);
      const VirtualNode* const node = view.tree->FindChild(folder, "model.safetensors", nullptr);
      ASSERT_NE(node, nullptr) << rank;
      const VirtualFile* const file = node->file.get();
      CheckRank(static_cast<int>(rank), ReadTensors(*file));
      if (::testing::Test::HasFailure()) return;
    }
    for (const auto& [name, elements] : rebuilt_) {
      for (std::size_t k = 0; k < elements.size(); ++k) {
        ASSERT_EQ(elements[k], Source().Element(name, k)) << name << " " << k;
      }
    }
  }

 private:
  int Size(const std::string& axis) const { return case_.sizes.at(axis); }

  void CheckRank(int rank, const std::map<std::string, ReadTensor>& tensors) {
    std::size_t held = 0;
    for (const TensorKind& kind : case_.kinds) {
      const bool has_layer = kind.pattern.find("{L}") != std::string::npos;
      for (int layer = 0; layer < (has_layer ? kLayers : 1); ++layer) {
        for (int expert = 0; expert < (kind.is_expert ? kExperts : 1); ++expert) {
          if (!Holds(kind, rank, layer, expert)) continue;
          const std::string shown = NamesOf(kind, ShownLayer(rank, layer), ShownExpert(rank, expert)).front();
          ASSERT_TRUE(tensors.contains(shown)) << shown;
          CheckTensor(kind, rank, NamesOf(kind, layer, expert).front(), tensors.at(shown));
          ++held;
        }
      }
    }
    EXPECT_EQ(held, tensors.size());
  }

  int At(int rank, const std::string& group) const {
    const auto index = static_cast<std::size_t>(rank);
    return group == "tp" ? dense_[index].at("tp") : expert_[index].at(group == "etp" ? "tp" : group);
  }
  int StageOfRank(int rank) const { return dense_[static_cast<std::size_t>(rank)].at("pp"); }

  bool Holds(const TensorKind& kind, int rank, int layer, int expert) const {
    if (kind.is_expert && expert / (kExperts / Size("ep")) != At(rank, "ep")) return false;
    if (kind.stage == "all") return true;
    const int stage = kind.stage == "first"  ? 0
                      : kind.stage == "last" ? Size("pp") - 1
                                             : stages_[static_cast<std::size_t>(layer)];
    return stage == StageOfRank(rank);
  }

  int ShownLayer(int rank, int layer) const {
    if (!case_.local_names) return layer;
    const auto first = std::find(stages_.begin(), stages_.end(), StageOfRank(rank));
    return layer - static_cast<int>(first - stages_.begin());
  }
  int ShownExpert(int rank, int expert) const {
    return case_.local_names ? expert - At(rank, "ep") * (kExperts / Size("ep")) : expert;
  }

  void CheckTensor(const TensorKind& kind, int rank, const std::string& name, const ReadTensor& read) {
    std::vector<std::vector<int>> picks;
    Shape shape;
    for (std::size_t axis = 0; axis < kind.shape.size(); ++axis) {
      const auto cut = kind.cuts.find(static_cast<int>(axis));
      const AxisChoice choice = cut == kind.cuts.end() ? AxisChoice() : cut->second;
      picks.push_back(PicksOf(choice, static_cast<int>(kind.shape[axis]), Size(choice.group), At(rank, choice.group),
                              At(rank, "ep") * (kExperts / Size("ep"))));
      shape.push_back(picks.back().size());
    }
    ASSERT_EQ(read.shape, shape) << name << " on rank " << rank;
    if (picks.size() == 1) picks.push_back({0});
    const std::size_t columns = kind.shape.size() == 1 ? 1 : kind.shape[1];
    std::size_t at = 0;
    for (const int row : picks[0]) {
      for (const int column : picks[1]) {
        const std::int32_t element = read.elements[at++];
        if (row == kZero || column == kZero) {
          ASSERT_EQ(element, 0) << name;
          continue;
        }
        const std::size_t k = static_cast<std::size_t>(row) * columns + static_cast<std::size_t>(column);
        ASSERT_EQ(element, Source().Element(name, k)) << name << " on rank " << rank;
        rebuilt_[name][k] = element;
      }
    }
  }

  const Case& case_;
  const std::vector<int> stages_;
  std::vector<std::map<std::string, int>> dense_;
  std::vector<std::map<std::string, int>> expert_;
  std::map<std::string, std::vector<std::int32_t>> rebuilt_;
};

std::string CodeOf(const Status& status) { return std::string(status.message().substr(0, status.message().find(':'))); }

TEST(RankCutProperty, TablesThatAreTakenGiveTheSourceElementByElement) {
  constexpr int kCases = 2000;
  RandomTables random(17);
  int taken = 0;
  for (int i = 0; i < kCases; ++i) {
    const Case made = random.Make();
    const std::string table = TableOf(made).dump();
    const auto view = BuildTable(table);
    if (!view.ok()) {
      // What a random mesh may ask too much of.
      const std::set<std::string> allowed = {"not-divisible", "empty-cut", "empty-stage", "lost", "copies", "pair"};
      ASSERT_TRUE(allowed.contains(CodeOf(view.status()))) << view.status() << "\n" << table;
      continue;
    }
    ++taken;
    Reassembly(made).Check(*view);
    ASSERT_FALSE(HasFailure()) << "case " << i << "\n" << table;
  }
  EXPECT_GT(taken, kCases / 4);
}

// A table that is taken, and one thing in it made wrong.
struct Mistake {
  const char* name;
  void (*make)(Json& table);
  bool can_be_seen;
};

Json& CutAt(Json& table, std::size_t rule) { return table["rules"][rule]["cut"][0]; }

const Mistake kMistakes[] = {
    {"the axis of q swapped", [](Json& table) { CutAt(table, 0)["axis"] = 1; }, true},
    {"the axis of o swapped", [](Json& table) { CutAt(table, 1)["axis"] = 0; }, true},
    {"the axis of an expert's down swapped", [](Json& table) { CutAt(table, 7)["axis"] = 0; }, true},
    {"heads of q off by a factor", [](Json& table) { CutAt(table, 0)["units"] = 6; }, true},
    {"a size of the shape off", [](Json& table) { table["rules"][2]["shape"][0] = 16; }, true},
    {"a rule missing", [](Json& table) { table["rules"].erase(4); }, true},
    {"a rule twice", [](Json& table) { table["rules"].push_back(table["rules"][4]); }, true},
    {"a stage missing", [](Json& table) { table["rules"][9].erase("stage"); }, true},
    {"a block missing", [](Json& table) { CutAt(table, 3)["blocks"].erase(0); }, true},
    {"experts off by one", [](Json& table) { table["experts"]["count"] = kExperts - 1; }, true},
    {"layers off by one", [](Json& table) { table["layers"]["count"] = kLayers - 1; }, true},
    {"an unknown key", [](Json& table) { CutAt(table, 0)["axes"] = 0; }, true},
    {"the head whole or cut", [](Json& table) { table["rules"][10].erase("cut"); }, false},
    {"the router in order", [](Json& table) { table["rules"][5].erase("roll"); }, false},
};

TEST(RankCutProperty, WrongTablesAreRefusedButForWhatNoFileTells) {
  constexpr int kCases = 250;
  RandomTables random(29);
  int tried = 0;
  for (int i = 0; i < kCases; ++i) {
    Case made = random.Make();
    made.kinds[8].cuts.clear();
    if (made.sizes["tp"] == 1 || made.sizes["etp"] == 1) continue;  // nothing is cut
    const Json table = TableOf(made);
    if (!BuildTable(table.dump()).ok()) continue;
    for (const Mistake& mistake : kMistakes) {
      Json wrong = table;
      mistake.make(wrong);
      const auto view = BuildTable(wrong.dump());
      ++tried;
      ASSERT_EQ(view.ok(), !mistake.can_be_seen) << mistake.name << "\n" << wrong.dump() << "\n" << view.status();
    }
  }
  EXPECT_GT(tried, 300);
}

// Experts over the wrong group, which leaves holes where the grids differ.
TEST(RankCutProperty, ExpertsCutByTheDenseGroupAreRefusedWhereElementsWouldBeLost) {
  RandomTables random(31);
  int lost = 0;
  for (int i = 0; i < 300; ++i) {
    Case made = random.Make();
    made.kinds[6].cuts[0].group = "tp";
    made.kinds[7].cuts[1].group = "tp";
    const auto view = BuildTable(TableOf(made).dump());
    if (view.ok()) {
      Reassembly(made).Check(*view);  // the grids happen to agree
      ASSERT_FALSE(HasFailure()) << TableOf(made).dump();
      continue;
    }
    if (CodeOf(view.status()) == "lost" || CodeOf(view.status()) == "copies") ++lost;
  }
  EXPECT_GT(lost, 10);
}

}  // namespace
}  // namespace shardfs::testing
