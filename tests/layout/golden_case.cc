#include "layout/golden_case.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "layout/huggingface/huggingface_reader.h"
#include "shardfs/option/option_values.h"
#include "shardfs/parallel/rank_table.h"

namespace shardfs::testing {
namespace fs = std::filesystem;
namespace {

std::int64_t SizeOf(const JsonValue& parallel, std::string_view key) {
  const JsonValue* value = parallel.Find(key);
  return value == nullptr ? ParallelConfig::kDefault : value->AsInt64().value();
}

std::uint64_t ShardBytes(std::string_view text) {
  if (text == "10GB") return 10'000'000'000;
  if (text == "40KB") return 40'000;
  throw std::runtime_error("unknown max_shard " + std::string(text));
}

GoldenCase Load(const fs::path& folder) {
  GoldenCase golden;
  golden.name = folder.filename();
  golden.source = folder / "source";
  golden.expected = folder / "expected";
  const JsonValue json = ParseJson(ReadFile(folder / "case.json"), "case.json").value();
  const JsonValue& parallel = *json.Find("parallel");
  golden.options.parallel.world_size = SizeOf(parallel, "world");
  golden.options.parallel.dp = SizeOf(parallel, "dp");
  golden.options.parallel.tp = SizeOf(parallel, "tp");
  golden.options.parallel.moe_tp = SizeOf(parallel, "moe_tp");
  golden.options.parallel.moe_ep = SizeOf(parallel, "moe_ep");
  golden.options.parallel.sp = SizeOf(parallel, "sp");
  golden.options.parallel.cp = SizeOf(parallel, "cp");
  if (fs::exists(folder / "ranktable.json")) {
    golden.rank_table = folder / "ranktable.json";
    golden.options.parallel.nodes = ReadRankTableServerCount(golden.rank_table).value();
  }
  golden.options.mtp = json.Find("mtp")->AsInt64() == 1;
  golden.options.max_shard_bytes = ShardBytes(json.Find("max_shard")->text());
  golden.options.dp_partition_up = json.Find("env")->Find("DP_PARTITION_UP_ENABLE") != nullptr;
  golden.options.layout_options = {{"fidelity", "sharder"}};
  // MindIE's own settings: the part behind the last dot is the name of an option of the layout.
  for (const char* group : {"llm_conf", "llm_par"}) {
    for (const auto& [key, value] : json.Find(group)->members()) {
      const std::string text = value.AsBool() ? (*value.AsBool() ? "true" : "false") : value.text();
      golden.options.layout_options[key.substr(key.rfind('.') + 1)] = text;
    }
  }
  return golden;
}

}  // namespace

std::vector<GoldenCase> GoldenCases(const std::string& prefix, GoldenVariant variant) {
  std::vector<fs::path> roots = {fs::path(SHARDFS_TESTS_DIR) / "golden"};
  if (const char* more = std::getenv("SHARDFS_GOLDEN_DIR")) roots.push_back(more);
  std::map<std::string, GoldenCase> cases;
  for (const fs::path& root : roots) {
    for (const auto& entry : fs::directory_iterator(root / "mindie")) {
      const std::string name = entry.path().filename();
      if (!name.starts_with(prefix) || !fs::exists(entry.path() / "case.json")) continue;
      GoldenCase golden = Load(entry.path());
      if (variant == GoldenVariant::kLoader) {
        golden.expected = root / "mindie-loader" / name / "expected";
        golden.options.layout_options["fidelity"] = "loader";
        if (!fs::exists(golden.expected)) continue;
      }
      cases[name] = std::move(golden);
    }
  }
  std::vector<GoldenCase> list;
  for (auto& [name, golden] : cases) list.push_back(std::move(golden));
  return list;
}

GoldenCase FindGoldenCase(const std::string& name) {
  for (GoldenCase& golden : GoldenCases(name)) {
    if (golden.name == name) return golden;
  }
  throw std::runtime_error("no golden case " + name);
}

void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.name; }

Result<CheckpointPtr> OpenSource(const fs::path& directory) {
  return HuggingfaceReader().Open(directory, OptionValues());
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

std::vector<std::string> FilesBelow(const fs::path& root) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const bool is_ours = entry.path().filename().string().starts_with(".shardfs-");
    if (entry.is_regular_file() && !is_ours) files.push_back(fs::relative(entry.path(), root).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool SameJson(const JsonValue& a, const JsonValue& b) {
  if (a.type() != b.type() || a.text() != b.text() || a.AsBool() != b.AsBool()) return false;
  if (a.items().size() != b.items().size() || a.members().size() != b.members().size()) return false;
  const bool same_items = std::is_permutation(a.items().begin(), a.items().end(), b.items().begin(), SameJson);
  if (!same_items) return false;
  return std::all_of(a.members().begin(), a.members().end(), [&](const JsonMember& member) {
    const JsonValue* other = b.Find(member.first);
    return other != nullptr && SameJson(member.second, *other);
  });
}

namespace {

// Without the mark of loader's variant, and without what lay in the root of each node's directory.
JsonValue ComparableMetadata(const JsonValue& metadata) {
  std::vector<JsonMember> members;
  for (const JsonMember& member : metadata.members()) {
    if (member.first == "shardfs_fidelity") continue;
    members.push_back(member);
    if (member.first != "model_sharded") continue;
    std::vector<JsonMember> folders = member.second.members();
    std::erase_if(folders, [](const JsonMember& folder) { return folder.first == "."; });
    members.back().second = JsonValue::Object(std::move(folders));
  }
  return JsonValue::Object(std::move(members));
}

}  // namespace

bool SameMetadata(const JsonValue& actual, const JsonValue& expected) {
  return SameJson(ComparableMetadata(actual), ComparableMetadata(expected));
}

}  // namespace shardfs::testing
