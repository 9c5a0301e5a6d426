#include "pipeline/directory_kind.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "base/quote_name.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShardedMetadata = "model_sharded_metadata.json";
constexpr const char* kJournal = ".shardfs-journal";  // of materialize, while it runs or until it is run again
constexpr const char* kManifest = ".shardfs-manifest.json";  // of materialize, which may show a full checkpoint

bool Has(const std::string& directory, const char* name) {
  std::error_code error;
  return fs::exists(fs::path(directory) / name, error);
}

// The name of a weights file right in the directory, or empty.
std::string WeightsIn(const std::string& directory) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with('.') && name.ends_with(".safetensors")) return name;
  }
  return "";
}

}  // namespace

Status CheckNoFullCheckpoint(const std::string& directory) {
  if (Has(directory, kJournal)) {
    return Status::InvalidArgument(fmt::format(
        "{} holds a run of materialize that has not come to its end; run the same command again, and verify then",
        QuoteName(directory)));
  }
  const bool is_made = Has(directory, kShardedMetadata) || Has(directory, kManifest);
  const std::string weights = is_made ? "" : WeightsIn(directory);
  if (weights.empty()) return Status::Ok();
  return Status::InvalidArgument(fmt::format(
      "{} is a full checkpoint (it has {}), and DIR is a sharded directory: the output of weight_sharder or "
      "materialize, or a mount; write `shardfs verify {} DIR`",
      QuoteName(directory), QuoteName(weights), directory));
}

}  // namespace shardfs
