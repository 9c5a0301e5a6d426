#include "cli/run_identity.h"

#include <fmt/format.h>

#include <span>

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{256} << 20;

FileDigest DigestOf(const std::string& text) { return FileDigest::OfBytes(std::as_bytes(std::span(text))); }

}  // namespace

Result<RunIdentity> IdentityOf(const ResolvedOptions& resolved, const Checkpoint& checkpoint) {
  const LayoutOptions& options = resolved.options;
  RunIdentity identity = {{"shardfs", SHARDFS_VERSION}, {"layout", resolved.layout}};
  for (const auto& [name, value] :
       {std::pair("world-size", options.parallel.world_size), std::pair("dp", options.parallel.dp),
        std::pair("tp", options.parallel.tp), std::pair("moe-tp", options.parallel.moe_tp),
        std::pair("moe-ep", options.parallel.moe_ep), std::pair("sp", options.parallel.sp),
        std::pair("cp", options.parallel.cp)}) {
    identity.emplace_back(name, std::to_string(value));
  }
  identity.emplace_back("nodes", std::to_string(options.parallel.nodes));
  identity.emplace_back("mtp", options.mtp ? "yes" : "no");
  identity.emplace_back("max-shard-size", std::to_string(options.max_shard_bytes));
  identity.emplace_back("dp-partition-up", options.dp_partition_up ? "yes" : "no");
  for (const auto& [name, value] : options.layout_options) identity.emplace_back("-O " + name, value);

  std::string files;
  for (const auto& file : checkpoint.files()) {
    files += fmt::format("{}\n{}\n{}\n", file->name(), file->size(), file->mtime_ns());
  }
  for (const DirectoryEntry& entry : checkpoint.other_entries()) {
    if (!entry.is_regular || !entry.name.ends_with(".json")) continue;
    SHARDFS_ASSIGN_OR_RETURN(const std::string text, checkpoint.ReadTextFile(entry.name, kMaxJsonBytes));
    files += fmt::format("{}\n{}\n", entry.name, DigestOf(text).ToHex());
  }
  identity.emplace_back("source", fmt::format("{} files of digest {} (names, sizes, times)", checkpoint.files().size(),
                                              DigestOf(files).ToHex()));
  return identity;
}

}  // namespace shardfs
