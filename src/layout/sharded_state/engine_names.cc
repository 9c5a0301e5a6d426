// A table is JSON (engine_names_data.cc tells its form). Each release starts from the blocks of the one before it, so
// that a release is found whole; a block or a role that no rule makes is refused, because a slip
// of the pen would otherwise leave a tensor out.
#include "layout/sharded_state/engine_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "base/nearest_name.h"
#include "base/quote_name.h"
#include "base/text_file.h"
#include "layout/sharded_state/engine_names_data.h"
#include "layout/sharded_state/roles.h"

namespace shardfs {
namespace {

constexpr std::string_view kLayout = "sharded-state";
constexpr std::string_view kRouterBias = "e_score_correction_bias";

Result<ReleaseNumber> ReleaseAt(const JsonValue& json, std::string_view key) {
  const JsonValue* const value = json.Find(key);
  if (value == nullptr || !value->is_string()) {
    return Status::InvalidArgument(fmt::format("it has no \"{}\" such as \"0.26\"", key));
  }
  return ReleaseNumber::Parse(value->text());
}

Result<NameBlock> ParseBlock(const std::string& name, const JsonValue& json) {
  const auto known = RolesOf(name);
  if (known.empty()) {
    std::vector<std::string> blocks;
    for (const std::string_view block : BlockNames()) blocks.emplace_back(block);
    return Status::InvalidArgument(fmt::format("there is no block {}{}", QuoteName(name), DidYouMean(name, blocks)));
  }
  NameBlock block;
  for (const auto& [role, value] : json.members()) {
    if (std::find(known.begin(), known.end(), role) == known.end()) {
      return Status::InvalidArgument(
          fmt::format("{} has no role {}; it has {}", QuoteName(name), QuoteName(role), fmt::join(known, ", ")));
    }
    if (!value.is_string() || value.text().empty()) {
      return Status::InvalidArgument(fmt::format("{} of {} is no name", QuoteName(role), QuoteName(name)));
    }
    block.emplace_back(role, value.text());
  }
  if (block.empty()) return Status::InvalidArgument(fmt::format("{} has no roles", QuoteName(name)));
  return block;
}

// The table inside the output of `layouts --json`, or the document itself.
const JsonValue* FindTable(const JsonValue& document) {
  if (document.is_object()) return &document;
  for (const JsonValue& entry : document.items()) {
    const JsonValue* const name = entry.Find("name");
    if (name != nullptr && name->AsString() == kLayout) return entry.Find("names");
  }
  return nullptr;
}

}  // namespace

const NameBlock& EngineNames::Block(std::string_view name) const {
  const auto found = blocks.find(name);
  assert(found != blocks.end());
  return found->second;
}

Result<EngineNameTable::Release> EngineNameTable::ParseRelease(const JsonValue& json, const Release* before) {
  Release release;
  if (before != nullptr) release.names = before->names;
  SHARDFS_ASSIGN_OR_RETURN(release.first, ReleaseAt(json, "first"));
  if (before != nullptr && release.first <= before->first) {
    return Status::InvalidArgument("its \"first\" is not behind that of the release before it");
  }
  for (const auto& [key, value] : json.members()) {
    if (key == "first") continue;
    if (key == kRouterBias && (value.AsString() == "F32" || value.AsString() == "model")) {
      release.names.router_bias_is_f32 = value.text() == "F32";
      continue;
    }
    if (key != "blocks" || !value.is_object()) {
      return Status::InvalidArgument(
          fmt::format("{} is not understood; a release has \"first\", \"{}\": \"F32\" or \"model\", and \"blocks\"",
                      QuoteName(key), kRouterBias));
    }
    for (const auto& [name, block] : value.members()) {
      SHARDFS_ASSIGN_OR_RETURN(release.names.blocks[name], ParseBlock(name, block));
    }
  }
  for (const std::string_view name : BlockNames()) {
    if (release.names.blocks.contains(name)) continue;
    return Status::InvalidArgument(fmt::format("neither it nor one before it has the block \"{}\"", name));
  }
  return release;
}

Result<EngineNameTable::Engine> EngineNameTable::ParseEngine(const std::string& name, const JsonValue& json) {
  Engine engine;
  SHARDFS_ASSIGN_OR_RETURN(engine.last, ReleaseAt(json, "last"));
  if (const JsonValue* const since = json.Find("since")) {
    if (!since->is_object()) return Status::InvalidArgument("its \"since\" is no object of model types and releases");
    for (const auto& [type, release] : since->members()) {
      SHARDFS_ASSIGN_OR_RETURN(engine.since[type], ReleaseNumber::Parse(release.text()));
    }
  }
  const JsonValue* const releases = json.Find("releases");
  if (releases == nullptr || releases->items().empty()) {
    return Status::InvalidArgument("it has no list \"releases\"");
  }
  for (const JsonValue& one : releases->items()) {
    const std::string place = fmt::format("release {} of {}", engine.releases.size() + 1, releases->items().size());
    Result<Release> release = ParseRelease(one, engine.releases.empty() ? nullptr : &engine.releases.back());
    if (!release.ok()) return release.status().WithContext(place);
    release->names.engine = name;
    engine.releases.push_back(std::move(release).value());
  }
  if (engine.releases.back().first.ComparedWithSeries(engine.last) > 0) {
    return Status::InvalidArgument(fmt::format("its \"last\" {} is before its release {}", engine.last.ToString(),
                                               engine.releases.back().first.ToString()));
  }
  return engine;
}

Result<EngineNameTable> EngineNameTable::Parse(std::string_view json, std::string_view what) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue document, ParseJson(json, what));
  const JsonValue* const table = FindTable(document);
  if (table == nullptr || table->members().empty()) {
    return Status::InvalidArgument(
        fmt::format("{}: no table of names; `shardfs layouts {} --json` prints one to start from", what, kLayout));
  }
  EngineNameTable result;
  for (const auto& [name, value] : table->members()) {
    Result<Engine> engine = ParseEngine(name, value);
    if (!engine.ok()) return engine.status().WithContext(fmt::format("{}: {}", what, QuoteName(name)));
    result.engines_.emplace(name, std::move(engine).value());
  }
  return result;
}

const EngineNameTable& EngineNameTable::BuiltIn() {
  static const EngineNameTable table = Parse(kEngineNamesJson, "the built-in table").value();
  return table;
}

Result<EngineNameTable> EngineNameTable::Read(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  Result<EngineNameTable> table = Parse(text, path);
  if (!table.ok()) return Status::InvalidArgument(std::string(table.status().message()));
  const auto builtin = BuiltIn().engines_;
  table->engines_.insert(builtin.begin(), builtin.end());  // those that the file does not have
  for (const auto& [name, engine] : table->engines_) {
    if (builtin.contains(name)) continue;
    return Status::InvalidArgument(fmt::format("{}: there is no engine {}; there is {}", path, QuoteName(name),
                                               fmt::join(BuiltIn().Engines(), ", ")));
  }
  return table;
}

Result<EngineNames> EngineNameTable::Find(std::string_view engine_name, std::string_view text) const {
  const auto found = engines_.find(engine_name);
  if (found == engines_.end()) {
    return Status::InvalidArgument(fmt::format("there is no engine {}", QuoteName(engine_name)));
  }
  const Engine& engine = found->second;
  ReleaseNumber release = engine.last;
  if (!text.empty()) {
    const Result<ReleaseNumber> given = ReleaseNumber::Parse(text);
    if (!given.ok()) return given.status().WithContext("engine_version");
    release = *given;
  }
  const auto after = std::upper_bound(engine.releases.begin(), engine.releases.end(), release,
                                      [](const ReleaseNumber& r, const Release& one) { return r < one.first; });
  const bool is_early = after == engine.releases.begin();
  if (is_early || release.ComparedWithSeries(engine.last) > 0) {
    return Status::InvalidArgument(fmt::format(
        "{} {}: the names of its state dict are not known here; the nearest that is known is {} (--engine-version), "
        "and --names FILE takes those of another release",
        engine_name, release.ToString(), is_early ? engine.releases.front().first.ToString() : engine.last.ToString()));
  }
  EngineNames names = std::prev(after)->names;
  names.release = release;
  return names;
}

Status EngineNameTable::CheckModelType(const EngineNames& names, std::string_view model_type) const {
  const Engine& engine = engines_.at(names.engine);
  const auto since = engine.since.find(model_type);
  if (since == engine.since.end() || names.release >= since->second) return Status::Ok();
  return Status::InvalidArgument(fmt::format("{} {} has no {}; the first release that has is {}", names.engine,
                                             names.release.ToString(), model_type, since->second.ToString()));
}

std::vector<ReleaseNumber> EngineNameTable::Releases(std::string_view engine) const {
  std::vector<ReleaseNumber> releases;
  const auto found = engines_.find(engine);
  if (found == engines_.end()) return releases;
  for (const Release& release : found->second.releases) releases.push_back(release.first);
  releases.push_back(found->second.last);
  return releases;
}

std::vector<std::string> EngineNameTable::Engines() const {
  std::vector<std::string> names;
  for (const auto& [name, engine] : engines_) names.push_back(name);
  std::reverse(names.begin(), names.end());  // vllm first, which is the default
  return names;
}

std::string DescribeReleases(const EngineNameTable& table) {
  std::string text;
  for (const std::string& engine : table.Engines()) {
    const std::vector<ReleaseNumber> releases = table.Releases(engine);
    text += fmt::format("{}{} {} to {}", text.empty() ? "" : ", ", engine, releases.front().ToString(),
                        releases.back().ToString());
  }
  return text;
}

}  // namespace shardfs
