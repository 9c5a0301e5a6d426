#include "cli/options.h"

namespace shardfs {
namespace {

constexpr const char* kGroup = "Layout";

// "--moe-tp,--moe_tp"
std::string BothSpellings(std::string_view name) {
  std::string spellings = "--" + std::string(name);
  if (name.find('-') == std::string_view::npos) return spellings;
  std::string underscored(name);
  for (char& c : underscored) c = c == '-' ? '_' : c;
  return spellings + ",--" + underscored;
}

}  // namespace

void AddCommonOptions(CLI::App& command, CommonOptions& options) {
  command.add_option("SOURCE", options.source, "Directory of the checkpoint (safetensors and config.json)")->required();
  command.add_option("--layout", options.settings.layout, "Layout of the view (default: mindie)")->group(kGroup);
  for (const SizeSetting& size : SizeSettings()) {
    command.add_option(BothSpellings(size.name), options.settings.*size.member, std::string(size.description))
        ->group(kGroup)
        ->type_name("N");
  }
  command
      .add_flag_function(
          "--mtp,!--no-mtp",
          [&options](std::int64_t count) {  // of the first, less that of the second
            if (count == 0) throw CLI::ValidationError("--mtp", "contradicts --no-mtp; give one of them");
            options.settings.mtp = count > 0;
          },
          "Show the MTP layer (default: whether DEEPSEEK_MTP is not 0)")
      ->group(kGroup);
  command
      .add_option(BothSpellings("rank-table"), options.settings.rank_table,
                  "Rank table; says how many servers there are (default: RANK_TABLE_FILE)")
      ->group(kGroup)
      ->type_name("FILE");
  command
      .add_option(BothSpellings("max-shard-size"), options.max_shard_size,
                  "Close a file before it grows past this (default: 10GB)")
      ->group(kGroup)
      ->type_name("SIZE");
  command.add_option("-O", options.assignments, "Option of the layout itself; may be given again for another")
      ->group(kGroup)
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command.add_option("--config", options.config_file, "JSON file of these settings, under the same names")
      ->group(kGroup)
      ->type_name("FILE");
  command
      .add_option(BothSpellings("mindie-config"), options.mindie_config,
                  "MindIE Server's config.json, to take the parallel sizes from")
      ->group(kGroup)
      ->type_name("FILE");
}

}  // namespace shardfs
