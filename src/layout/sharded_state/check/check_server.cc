// First the flags are held against the directory as it says it was made (FindMadeFor), row by row; then the state dict
// that a server with these flags has is held against the headers of every rank. The second finds whatever the first
// has no row for.
#include "layout/sharded_state/check/check_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <span>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "base/text_file.h"
#include "console/message_text.h"
#include "layout/sharded_state/check/flag_table.h"
#include "layout/sharded_state/check/shown_state.h"
#include "layout/sharded_state/serve_command.h"
#include "layout/sharded_state/state_dict_rules.h"

namespace shardfs {
namespace {

Text MakeAgain() { return Tr("show or write the directory again for this server with --layout sharded-state"); }

std::string_view DtypeFlag(Dtype dtype) {
  return dtype == Dtype::kBF16 ? "bfloat16" : dtype == Dtype::kF16 ? "float16" : "float32";
}

bool IsFalse(std::string_view value) {
  return value == "false" || value == "False" || value == "0" || value == "none" || value == "None" || value == "null";
}

class Checker {
 public:
  Checker(const ServerCheck& check, const EngineNameTable& table, const EngineNames& names, const ModelShape& shape,
          const ShownState& state)
      : check_(check), table_(table), names_(names), shape_(shape), state_(state) {}

  Result<std::vector<Finding>> Run() {
    world_ = static_cast<std::uint32_t>(Number({"--tensor-parallel-size", "-tp", "--tp-size", "--tp"}));
    if (world_ > 0) {  // otherwise the flag's own row says what is wrong
      SHARDFS_ASSIGN_OR_RETURN(chosen_, check_.choose_ranks(world_));
    }
    RecogniseDirectory();
    for (const FlagRow& row : FlagTable()) {
      if (row.engine == check_.engine) CheckRow(row);
    }
    CheckModelPath();
    CheckFiles();
    return std::move(findings_);
  }

 private:
  std::optional<std::string> Given(const FlagRow& row) const {
    if (auto value = check_.arguments.Find(row.names)) return value;
    for (const std::string_view name : row.names) {
      if (name.empty() || name.starts_with('-')) continue;
      if (const char* const value = std::getenv(std::string(name).c_str())) return value;
    }
    return std::nullopt;
  }

  // The count that a flag gives, 1 where it is not given, 0 where it gives none.
  std::uint64_t Number(std::initializer_list<std::string_view> names) const {
    const auto value = check_.arguments.Find(std::span(names.begin(), names.size()));
    return value ? ParseNumber<std::uint32_t>(*value).value_or(0) : 1;
  }

  // The number of ranks that the directory is of: those of its files, unless it holds a node's share alone, when the
  // server's own number is taken.
  std::uint32_t RanksOfDirectory() const {
    const auto present = static_cast<std::uint32_t>(state_.ranks.rbegin()->first + 1);
    return present == state_.ranks.size() && !chosen_ ? present : std::max(present, world_);
  }

  void RecogniseDirectory() {
    const auto& [rank, tensors] = *state_.ranks.begin();
    made_for_ = FindMadeFor(tensors, shape_, table_, RanksOfDirectory(), rank);
    // Several engines may have the same names; the server's own comes first, then the plain cut.
    const auto own = std::find_if(made_for_.begin(), made_for_.end(),
                                  [&](const MadeFor& made) { return made.engine == check_.engine; });
    if (own != made_for_.end())
      cut_ = own->cut;
    else if (!made_for_.empty())
      cut_ = made_for_.front().cut;
    CheckRelease();
  }

  Text DescribeMadeFor() const {
    Text text;
    for (const MadeFor& made : made_for_) {
      Text releases;
      for (const ReleaseNumber& release : made.releases) {
        if (!releases.empty()) releases += Tr(", ");
        releases += RunOf(made.engine, release);
      }
      text = text.empty() ? Tr("{} {}", made.engine, releases) : Tr("{}, or {} {}", text, made.engine, releases);
    }
    return text;
  }

  // The releases of one set of names: "0.21 to 0.23", as far as the next begins.
  Text RunOf(const std::string& engine, const ReleaseNumber& first) const {
    const std::vector<ReleaseNumber> releases = table_.Releases(engine);
    const auto at = std::find(releases.begin(), releases.end(), first);
    const bool is_last = at + 2 == releases.end();
    return is_last ? Tr("{} to {}", first.ToString(), releases.back().ToString())
                   : Tr("{} (before {})", first.ToString(), (at + 1)->ToString());
  }

  void CheckRelease() {
    const std::string named = fmt::format("{} {}", check_.engine, names_.release.ToString());
    const Text server = check_.release.empty() ? Tr("{} (assumed; --engine-version names another)", named) : named;
    if (made_for_.empty()) {
      findings_.push_back(Wrong(Tr("engine version"),
                                Tr("no release that is known has these tensors with {} ranks", RanksOfDirectory()),
                                MakeAgain()));
      return;
    }
    const auto& [rank, tensors] = *state_.ranks.begin();
    for (const MadeFor& made : made_for_) {
      if (made.engine != check_.engine) continue;
      // Releases may differ in what this model does not have, so names are compared, not releases.
      const auto rules = StateDictRules(shape_, names_, made.cut);
      if (!rules.ok() || !Difference(tensors, *rules, made.cut.tp, rank).empty()) continue;
      findings_.push_back(Ok(Tr("engine version"), Tr("{} has the names of the directory", server)));
      return;
    }
    findings_.push_back(Wrong(Tr("engine version"),
                              Tr("the directory is for {}, and the server is {}", DescribeMadeFor(), server),
                              MakeAgain()));
  }

  void Say(const FlagRow& row, bool is_right, const Text& what, const Text& remedy) {
    const std::string subject(row.names.front());
    if (is_right) {
      findings_.push_back(Ok(subject, what));
    } else {
      findings_.push_back(Wrong(subject, Tr("{}: {}", what, TextOf(row.verdict)), remedy));
    }
  }

  void CheckCount(const FlagRow& row, const std::optional<std::string>& value, std::uint32_t right) {
    const auto number = value ? ParseNumber<std::uint32_t>(*value).value_or(0) : 1;
    if (!value && right == 1) return;
    const Text shown = value ? Text(QuoteName(*value)) : Tr("not given, which is 1");
    Say(row, number == right, number == right ? shown : Tr("it is {}, and must be {}", shown, right),
        Tr("give {} {}", row.names.front(), right));
  }

  // A switch that must be given, or must not.
  void CheckSwitch(const FlagRow& row, const std::optional<std::string>& value, bool must_be_given) {
    const bool is_given = value && !IsFalse(*value);
    if (!is_given && !must_be_given) return;
    Say(row, is_given == must_be_given, is_given ? Tr("it is given") : Tr("it is not given"),
        must_be_given ? Tr("add {}", row.names.front()) : Tr("leave {} out", row.names.front()));
  }

  void CheckAbsent(const FlagRow& row, const std::optional<std::string>& value) {
    if (!value || IsFalse(*value)) return;
    for (const std::string_view allowed : row.allowed) {
      if (allowed.empty()) continue;
      const bool is_part = allowed.starts_with('[');  // "[ngram]": anywhere in the value
      const std::string_view word = is_part ? allowed.substr(1, allowed.size() - 2) : allowed;
      if (is_part ? value->find(word) != std::string::npos : *value == word) return;
    }
    Say(row, false, value->empty() ? Tr("it is given") : Tr("it is {}", QuoteName(*value)),
        Tr("leave {} out", row.names.front()));
  }

  void CheckDtype(const FlagRow& row, const std::optional<std::string>& value) {
    const std::string_view own = DtypeFlag(shape_.dtype);
    const std::string given = value.value_or("auto");
    const bool is_same = given == own || (given == "half" && own == "float16") ||
                         (given == "float" && own == "float32") || (given == "auto" && shape_.dtype != Dtype::kF32);
    if (!value && is_same) return;
    Say(row, is_same, is_same ? given : Tr("it is {}, and the directory is {}", QuoteName(given), own),
        Tr("give --dtype {}", own));
  }

  void CheckPattern(const FlagRow& row, const std::optional<std::string>& value) {
    if (!value || value->empty()) return;
    const auto json = ParseJson(*value, row.names.front());
    const JsonValue* const pattern = json.ok() ? json->Find("pattern") : nullptr;
    const bool is_right =
        json.ok() && (pattern == nullptr || pattern->AsString() == "model-rank-{rank}-part-{part}.safetensors");
    if (!is_right) Say(row, false, Tr("it is {}", QuoteName(*value)), Tr("leave {} out", row.names.front()));
  }

  void CheckRow(const FlagRow& row) {
    const std::optional<std::string> value = Given(row);
    const bool has_experts = shape_.HasMoeLayers();
    switch (row.rule) {
      case FlagRule::kLoadFormat:
        return Say(row, value == "sharded_state", value ? Tr("it is {}", QuoteName(*value)) : Tr("it is not given"),
                   Tr("add --load-format sharded_state"));
      case FlagRule::kRanks:
        return CheckCount(row, value, RanksOfDirectory());
      case FlagRule::kExpertRanks:
        return CheckCount(row, value, cut_.expert_parallel ? RanksOfDirectory() : 1);
      case FlagRule::kExpertParallel:
        return CheckExpertParallel(row, value);
      case FlagRule::kFusion:
        if (shape_.experts_kind != ModelShape::Experts::kDeepseek || shape_.shared_experts != 1) return;
        if (cut_.expert_parallel) return;
        return CheckSwitch(row, value, !cut_.fuses_shared_experts);
      case FlagRule::kOneWithExperts:
        return has_experts ? CheckCount(row, value, 1) : void();
      case FlagRule::kOne:
        return CheckCount(row, value, 1);
      case FlagRule::kDtype:
        return CheckDtype(row, value);
      case FlagRule::kAbsent:
        return CheckAbsent(row, value);
      case FlagRule::kPattern:
        return CheckPattern(row, value);
      case FlagRule::kRunner:
        if (!has_experts) return;
        return Say(row, value == "triton", value ? Tr("it is {}", QuoteName(*value)) : Tr("it is not given"),
                   Tr("add --moe-runner-backend triton"));
      case FlagRule::kLatent:
        if (!DerivesLatentWeightsEarly(shape_, names_)) return;
        return Say(row, value == "1", value ? Tr("it is {}", QuoteName(*value)) : Tr("it is not set"),
                   Tr("set VLLM_MLA_DISABLE=1, or take vLLM 0.9.1 or later"));
      case FlagRule::kEarlyBackend:
        return has_experts && LoadsBehindBackend(names_) ? CheckAbsent(row, value) : void();
    }
  }

  // With one rank vLLM has no expert parallelism, whatever the flag says.
  void CheckExpertParallel(const FlagRow& row, const std::optional<std::string>& value) {
    if (!shape_.HasMoeLayers()) return;
    if (RanksOfDirectory() == 1) {
      if (cut_.expert_parallel) {
        Say(row, false, Tr("the directory holds a map of experts, and a server of one rank has none"), MakeAgain());
      }
      return;
    }
    CheckSwitch(row, value, cut_.expert_parallel);
  }

  void CheckModelPath() {
    const std::string& model = check_.arguments.model();
    std::error_code error;
    if (model.empty() || std::filesystem::equivalent(model, check_.directory, error)) return;
    if (!model.starts_with('/') && !std::filesystem::exists(model, error)) {
      findings_.push_back(Wrong(Tr("model"), Tr("{} is no path: the loader takes a local directory", QuoteName(model)),
                                Tr("give the server {}", check_.directory)));
      return;
    }
    findings_.push_back(
        Advice(Tr("model"), Tr("the server loads {}, and {} is checked", QuoteName(model), check_.directory),
               Tr("make sure that both are the same directory, seen from inside and outside a container")));
  }

  // The cut of a server with these flags.
  ShardedCut ServersCut() const {
    ShardedCut cut{world_, false, false};
    if (check_.engine == kVllm) {
      const auto given = check_.arguments.Find(std::to_array<std::string_view>({"--enable-expert-parallel", "-ep"}));
      cut.expert_parallel = world_ > 1 && shape_.HasMoeLayers() && given && !IsFalse(*given);
    } else {
      cut.expert_parallel = shape_.HasMoeLayers() && Number({"--ep-size", "--expert-parallel-size", "--ep"}) > 1;
      const auto given = check_.arguments.Find(std::to_array<std::string_view>({"--disable-shared-experts-fusion"}));
      cut.fuses_shared_experts = shape_.experts_kind == ModelShape::Experts::kDeepseek && shape_.shared_experts == 1 &&
                                 !cut.expert_parallel && !(given && !IsFalse(*given));
    }
    return cut;
  }

  void CheckFiles() {
    const ShardedCut cut = ServersCut();
    if (cut.tp == 0) return;
    const RankSet ranks = chosen_.value_or(RankSet::All(cut.tp));
    const auto rules = StateDictRules(shape_, names_, cut);
    if (!rules.ok()) {
      findings_.push_back(
          Wrong(Tr("files"), TextOf(rules.status()), Tr("give sizes that the model has")));
      return;
    }
    for (const std::uint32_t rank : ranks.ranks()) {
      const auto found = state_.ranks.find(rank);
      const Text difference = found == state_.ranks.end() ? Tr("there are no files of rank {}", rank)
                                                          : Difference(found->second, *rules, cut.tp, rank);
      if (difference.empty()) continue;
      findings_.push_back(Wrong(Tr("files"), difference, MakeAgain()));
      return;
    }
    findings_.push_back(Ok(Tr("files"), Tr("{} tensors of each of {} ranks, as the server has them", rules->size(),
                                           ranks.ranks().size())));
  }

  const ServerCheck& check_;
  const EngineNameTable& table_;
  const EngineNames& names_;
  const ModelShape& shape_;
  const ShownState& state_;
  std::uint32_t world_ = 1;        // of the server
  std::optional<RankSet> chosen_;  // the ranks that must be there; nothing for all
  std::vector<MadeFor> made_for_;
  ShardedCut cut_;  // of the directory
  std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> CheckServer(const ServerCheck& check) {
  EngineNameTable table = EngineNameTable::BuiltIn();
  if (!check.names_file.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(table, EngineNameTable::Read(check.names_file));
  }
  SHARDFS_ASSIGN_OR_RETURN(const EngineNames names, table.Find(check.engine, check.release));
  SHARDFS_ASSIGN_OR_RETURN(const ShownState state, ShownState::Read(check.directory));
  const std::string path = check.directory + "/config.json";
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue config, ParseJson(text, path));
  const Result<ModelShape> shape = ModelShape::Parse(config);
  if (!shape.ok()) {
    return std::vector{Wrong(Name("config.json"), TextOf(shape.status()),
                             Tr("load the checkpoint in the ordinary way; this directory cannot be right"))};
  }
  if (const Status known = table.CheckModelType(names, shape->model_type); !known.ok()) {
    return std::vector{
        Wrong(Tr("engine version"), TextOf(known), Tr("take a release that has the model"))};
  }
  return Checker(check, table, names, *shape, state).Run();
}

}  // namespace shardfs
