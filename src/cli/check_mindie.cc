// shardfs check-mindie: says whether MindIE Server with a configuration loads a sharded directory right.
#include "layout/mindie/check/check_mindie.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/rank_options.h"
#include "console/message_text.h"
#include "console/output.h"
#include "shardfs/parallel/rank_table.h"

namespace shardfs {
namespace {

struct CheckMindieArguments {
  std::string file;
  std::string directory;
  std::string rank_table;
  RankOptions ranks;
  uid_t user = ::geteuid();
  bool json = false;
};

Result<std::vector<Finding>> Check(const CheckMindieArguments& arguments) {
  SHARDFS_ASSIGN_OR_RETURN(const LayoutSettings environment, EnvironmentSettings());
  SHARDFS_ASSIGN_OR_RETURN(const MindieServerConfig config, ReadMindieServerConfig(arguments.file));
  std::error_code error;
  const bool is_directory = std::filesystem::is_directory(arguments.directory, error);
  // What this user may not look at is another user's to try.
  if (!is_directory && error != std::errc::permission_denied) {
    return Status::InvalidArgument(
        fmt::format("{} is no directory; give the one that MindIE is to load", arguments.directory));
  }
  SHARDFS_ASSIGN_OR_RETURN(const MindieModelConfig* model, config.Choose(arguments.directory));
  const std::string rank_table =
      arguments.rank_table.empty() ? environment.rank_table.value_or("") : arguments.rank_table;
  std::optional<std::int64_t> servers;
  if (!rank_table.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(servers, ReadRankTableServerCount(rank_table));
  }
  const Result<MindieMapping> mapping = MindieSizes(config, *model, servers);
  if (!mapping.ok()) {
    return std::vector{Wrong(Tr("configuration"), TextOf(mapping.status()),
                             Tr("set these sizes in {}", arguments.file))};
  }
  View layout;  // what the options of ranks look at
  layout.world_size = mapping->world_size();
  layout.nodes = mapping->nodes();
  SHARDFS_ASSIGN_OR_RETURN(const std::optional<RankSet> ranks, SelectRanks(arguments.ranks, layout));
  // MindIE takes whole paths only, so that is what it must be told to write.
  const std::filesystem::path whole = std::filesystem::absolute(arguments.directory, error).lexically_normal();
  return CheckMindieDirectory({.directory = error ? arguments.directory : whole.string(),
                               .mapping = *mapping,
                               .ranks = ranks.value_or(RankSet::All(mapping->world_size())),
                               .user = arguments.user,
                               .dp_partition_up = environment.dp_partition_up.value_or(false),
                               .model = *model});
}

// The last line: what all the others come to.
Text LastLine(const std::vector<Finding>& findings) {
  const auto wrong = std::count_if(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return finding.level == Finding::Level::kWrong; });
  if (wrong == 0) return Tr("Nothing that was checked is wrong: MindIE should load this directory.");
  if (wrong == 1) return Tr("1 thing is wrong: MindIE will not load this directory, or not as it should.");
  return Tr("{} things are wrong: MindIE will not load this directory, or not as it should.", wrong);
}

int RunCheckMindie(const CheckMindieArguments& arguments) {
  const auto findings = Check(arguments);
  if (!findings.ok()) return ReportRefusal(findings.status());
  return ReportFindings(*findings, arguments.json, LastLine(*findings));
}

}  // namespace

Command AddCheckMindieCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("check-mindie", "Say whether MindIE will load a directory right");
  const auto arguments = std::make_shared<CheckMindieArguments>();
  app->add_option("FILE", arguments->file, "MindIE Server's config.json")->required();
  app->add_option("DIR", arguments->directory, "Output of weight_sharder or materialize, or a mount")->required();
  AddRankOptions(*app, "Expect only what", arguments->ranks);
  app->add_option("--rank-table,--rank_table", arguments->rank_table,
                  "Rank table; says how many servers there are (default: RANK_TABLE_FILE)")
      ->type_name("FILE");
  app->add_option("--uid", arguments->user, "User that MindIE runs as (default: the user who runs this)")
      ->type_name("USER");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  return {app, [arguments] { return RunCheckMindie(*arguments); }};
}

}  // namespace shardfs
