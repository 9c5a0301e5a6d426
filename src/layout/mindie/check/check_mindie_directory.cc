// The checks of check_mindie.h that read names, modes and JSON.
#include <dirent.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <set>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "console/message_text.h"
#include "layout/mindie/check/check_mindie.h"
#include "layout/mindie/check/place_warnings.h"
#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/state_dict.h"
#include "parallel/node_ranks.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetadata = "model_sharded_metadata.json";
Text ShowAgain() { return Tr("show or write the directory again with --mindie-config"); }

// The sizes that the metadata record, or nothing where they do not have them.
std::optional<MindieMapping> RecordedSizes(const JsonValue& metadata) {
  const JsonValue* options = metadata.Find("parallel_option");
  const auto number = [](const JsonValue* object, const char* key) {
    const JsonValue* value = object == nullptr ? nullptr : object->Find(key);
    return value == nullptr ? ParallelConfig::kDefault : value->AsInt64().value_or(ParallelConfig::kDefault);
  };
  ParallelConfig sizes;
  sizes.world_size = number(&metadata, "world_size");
  sizes.dp = number(options, "dp");
  sizes.tp = number(options, "tp");
  sizes.moe_tp = number(options, "moe_tp");
  sizes.moe_ep = number(options, "moe_ep");
  // cp is not recorded: it is what the others leave of the world.
  const std::int64_t groups = sizes.tp > 0 ? sizes.tp * (sizes.dp > 0 ? sizes.dp : 1) : 0;
  if (groups > 0 && sizes.world_size > groups && sizes.world_size % groups == 0) sizes.cp = sizes.world_size / groups;
  const auto mapping = MindieMapping::Create(sizes);
  if (!mapping.ok() || options == nullptr) return std::nullopt;
  return *mapping;
}

// dp and cp cut the same: only their product counts.
std::vector<Finding> CompareSizes(const MindieMapping& recorded, const MindieMapping& configured) {
  struct Pair {
    const char* name;
    std::uint32_t recorded;
    std::uint32_t configured;
  };
  const std::array<Pair, 5> pairs = {{
      {"worldSize", recorded.world_size(), configured.world_size()},
      {"tp", recorded.tp(), configured.tp()},
      {configured.cp() > 1 || recorded.cp() > 1 ? "dp*cp" : "dp", recorded.dp() * recorded.cp(),
       configured.dp() * configured.cp()},
      {"moe_tp", recorded.moe_tp(), configured.moe_tp()},
      {"moe_ep", recorded.moe_ep(), configured.moe_ep()},
  }};
  std::vector<Finding> findings;
  std::string equal;
  for (const Pair& pair : pairs) {
    equal += fmt::format("{}{} {}", equal.empty() ? "" : ", ", pair.name, pair.configured);
    if (pair.recorded == pair.configured) continue;
    findings.push_back(
        Wrong(Name(pair.name),
              Tr("the directory was made with {} {}, and MindIE will run with {} {}", pair.name, pair.recorded,
                 pair.name, pair.configured),
              Tr("set {} to {} in MindIE's configuration, or {}", pair.name, pair.recorded, ShowAgain())));
  }
  if (findings.empty()) findings.push_back(Ok(Tr("recorded sizes"), equal));
  return findings;
}

// What the loader does to these bytes while loading, which it should not.
std::optional<Finding> CheckVariant(const MindieDirectoryCheck& check, const JsonValue& metadata) {
  const JsonValue* fidelity = metadata.Find("shardfs_fidelity");
  if (fidelity != nullptr && fidelity->text() == "loader") return Ok(Tr("variant"), Tr("made for MindIE's loader"));
  const auto options = MindieOptions::Parse(check.model.layout_options, check.dp_partition_up);
  if (!options.ok() || !options->RotatesRouter(check.mapping)) return std::nullopt;
  return Wrong(Tr("router"),
               Tr("with dp {}, cp {} and moe_ep {} MindIE rotates router rows that weight_sharder has rotated "
                  "already, and routes tokens to wrong experts",
                  check.mapping.dp(), check.mapping.cp(), check.mapping.moe_ep()),
               Tr("show or write the directory again with -O fidelity=loader"));
}

bool HasWeights(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with('.') && name.ends_with(".safetensors")) return true;
  }
  return false;
}

// The first few of many names.
Text Some(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i == 0 ? "" : ", ") + QuoteName(names[i]);
  if (names.size() > kShown) return Tr("{} and {} more", text, names.size() - kShown);
  return text;
}

std::vector<Finding> CheckFolders(const MindieDirectoryCheck& check) {
  const std::set<std::string> needed = MindieFoldersOf(check.mapping, check.ranks);
  const std::set<std::string> known = MindieFoldersOf(check.mapping, RankSet::All(check.mapping.world_size()));
  const fs::path directory = check.directory;
  std::vector<std::string> missing;
  std::vector<std::string> empty;
  for (const std::string& name : needed) {
    std::error_code error;
    if (!fs::is_directory(directory / name, error)) {
      missing.push_back(name);
    } else if (!HasWeights(directory / name)) {
      empty.push_back(name);
    }
  }
  std::vector<std::string> strange;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("model-") && entry.is_directory(error) && !known.contains(name)) strange.push_back(name);
  }
  std::sort(strange.begin(), strange.end());

  std::vector<Finding> findings;
  if (!missing.empty()) {
    const bool all = check.ranks.ranks().size() == check.mapping.world_size();
    findings.push_back(
        Wrong(Tr("folders"),
              Tr("ranks {} load {} folders, and {} of them are missing: {}", FormatRanks(check.ranks), needed.size(),
                 missing.size(), Some(missing)),
              all ? Tr("{}, or say with --node-rank and --nnodes which node's directory this is", ShowAgain())
                  : ShowAgain()));
  }
  if (!empty.empty()) {
    findings.push_back(
        Wrong(Tr("folders"), Tr("no *.safetensors, which MindIE needs in each folder, in {}", Some(empty)),
              Tr("show or write the directory again, with -O fidelity=loader if it was weight_sharder's")));
  }
  if (!strange.empty()) {
    findings.push_back(Wrong(
        Tr("folders"), Tr("no rank loads {}: the directory was made with other sizes", Some(strange)), ShowAgain()));
  }
  if (findings.empty()) {
    findings.push_back(Ok(Tr("folders"), Tr("all {} of ranks {}", needed.size(), FormatRanks(check.ranks))));
  }
  return findings;
}

Finding CheckBackend(const MindieModelConfig& model) {
  if (model.backend == kMindieBackend) return Ok(Name("backendType"), model.backend);
  return Wrong(Name("backendType"),
               Tr("is {}, and only the backend {} reads sharded directories", QuoteName(model.backend), kMindieBackend),
               Tr("set backendType to \"{}\", or let MindIE load the full checkpoint", kMindieBackend));
}

Finding CheckPlace(const MindieDirectoryCheck& check) {
  if (!IsSamePlace(check.model.weight_path, check.directory)) {
    return Wrong(Name("modelWeightPath"),
                 Tr("is {}, and this directory is {}", QuoteName(check.model.weight_path), QuoteName(check.directory)),
                 Tr("set modelWeightPath to {}, or check the other directory", QuoteName(check.directory)));
  }
  // MindIE looks at the path behind the links.
  std::error_code error;
  const fs::path real = fs::canonical(check.model.weight_path, error);
  const auto warnings = MindieWarnings(error ? check.model.weight_path : real.string(), 0, 0);
  if (!warnings.empty()) return Wrong(Name("modelWeightPath"), warnings.front(), Tr("use a directory of another name"));
  return Ok(Name("modelWeightPath"), QuoteName(check.model.weight_path));
}

// Whether MindIE's process may open it. `most`: the modes that its front end allows; 07777 where it does not look.
Text WhyRefused(const std::string& path, uid_t user, gid_t group, mode_t most, bool front_end) {
  struct stat attributes {};
  if (::stat(path.c_str(), &attributes) != 0) return {};
  const mode_t mode = attributes.st_mode & 07777;
  if ((mode & 0002) != 0) return Tr("{} has mode {:04o}: everybody may write to it", QuoteName(path), mode);
  if (user == 0) return {};
  const bool owner_fits = attributes.st_uid == user || (front_end && attributes.st_uid == 0);
  if (!owner_fits && (front_end || attributes.st_gid != group)) {
    return Tr("{} belongs to uid {}, and MindIE runs as uid {}", QuoteName(path), attributes.st_uid, user);
  }
  if ((mode & ~most & 0777) != 0) {
    return Tr("{} has mode {:04o}, and MindIE takes at most {:04o}", QuoteName(path), mode, most);
  }
  return {};
}

}  // namespace

std::set<std::string> MindieFoldersOf(const MindieMapping& mapping, const RankSet& ranks) {
  std::set<std::string> names;
  for (const std::uint32_t rank : ranks.ranks()) {
    for (const MindieFolder folder : {MindieFolder::kMoe, MindieFolder::kDense, MindieFolder::kAttention,
                                      MindieFolder::kRank, MindieFolder::kNorm}) {
      names.insert(MindieFolderName(folder, mapping.At(rank)));
    }
  }
  return names;
}

std::vector<Finding> CheckMindieMetadata(const MindieDirectoryCheck& check) {
  const std::string path = check.directory + "/" + kMetadata;
  std::error_code error;
  if (!fs::exists(path, error)) {
    return {Wrong(Tr("metadata"), Tr("there is no {}, so MindIE takes this for a full checkpoint", kMetadata),
                  Tr("give a directory that weight_sharder or shardfs has made"))};
  }
  const auto text = ReadTextFile(path);
  if (!text.ok()) return {Advice(Tr("metadata"), TextOf(text.status()), ShowAgain())};
  const auto metadata = ParseJson(*text, kMetadata);
  const auto recorded = metadata.ok() ? RecordedSizes(*metadata) : std::nullopt;
  if (!recorded) {
    return {Advice(Tr("metadata"), Tr("{} does not say which sizes the directory was made with", kMetadata),
                   Tr("rely on the checks of tensors below, or compare all bytes with shardfs verify"))};
  }
  std::vector<Finding> findings = CompareSizes(*recorded, check.mapping);
  if (auto variant = CheckVariant(check, *metadata)) findings.push_back(std::move(*variant));
  return findings;
}

Finding CheckMindiePermissions(const MindieDirectoryCheck& check) {
  const struct passwd* const entry = ::getpwuid(check.user);
  const gid_t group = entry != nullptr ? entry->pw_gid : check.user;
  Text problem = WhyRefused(check.directory, check.user, group, 0750, true);
  if (problem.empty()) problem = WhyRefused(check.directory + "/config.json", check.user, group, 0640, true);
  // The other files that MindIE reads from the top, whichever of them are there.
  std::error_code unlisted;
  for (const fs::directory_entry& file : fs::directory_iterator(check.directory, unlisted)) {
    if (!problem.empty()) break;
    const std::string name = file.path().filename();
    const bool is_read = name == "generation_config.json" || name.starts_with("quant_model_description") ||
                         name.starts_with("tokenizer");
    if (is_read) problem = WhyRefused(file.path(), check.user, group, 07777, false);
  }
  for (const std::string& folder : MindieFoldersOf(check.mapping, check.ranks)) {
    if (!problem.empty()) break;
    const std::string path = check.directory + "/" + folder;
    problem = WhyRefused(path, check.user, group, 07777, false);
    std::error_code error;
    for (const fs::directory_entry& file : fs::directory_iterator(path, error)) {
      if (problem.empty()) problem = WhyRefused(file.path(), check.user, group, 07777, false);
    }
  }
  if (problem.empty()) return Ok(Tr("owners and modes"), Tr("MindIE as uid {} takes them", check.user));
  return Wrong(Tr("owners and modes"), problem,
               Tr("mount or materialize with --uid {} and the default modes, or chown and chmod", check.user));
}

std::vector<Finding> CheckMindieContents(const MindieDirectoryCheck& check, const Finding& access) {
  const MindieMapping& sizes = check.mapping;
  std::vector<Finding> findings = {
      Ok(Tr("configuration"), Tr("{} ranks: dp {}, tp {}, moe_tp {}, moe_ep {}, sp {}, cp {}", sizes.world_size(),
                                 sizes.dp(), sizes.tp(), sizes.moe_tp(), sizes.moe_ep(), sizes.sp(), sizes.cp()))};
  const auto add = [&findings](std::vector<Finding> more) {
    std::move(more.begin(), more.end(), std::back_inserter(findings));
  };
  findings.push_back(CheckBackend(check.model));
  findings.push_back(CheckPlace(check));
  add(CheckMindieMetadata(check));
  add(CheckFolders(check));
  findings.push_back(access);
  findings.push_back(CheckMindiePermissions(check));
  add(CheckMindieModel(check));
  return findings;
}

}  // namespace shardfs
