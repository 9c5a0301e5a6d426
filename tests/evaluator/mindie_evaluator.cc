#include "evaluator/mindie_evaluator.h"

#include "evaluator/json_files.h"
#include "evaluator/packing.h"
#include "evaluator/setting.h"
#include "evaluator/source_directory.h"
#include "evaluator/state_dict.h"

namespace shardfs::evaluator {

Directory Evaluate(const std::filesystem::path& path, const Options& options) {
  const SourceDirectory source = ReadSource(path);
  const Setting setting = MakeSetting(source, options);
  Directory directory;
  for (std::uint64_t r = 0; r < static_cast<std::uint64_t>(setting.options.world); ++r) {
    const Rank rank = MakeRank(setting, r);
    const StateDict state = MakeStateDict(setting, rank);
    if (r == 0) directory.files.merge(RootFiles(setting, state));
    for (const std::string& folder : FoldersOf(rank)) {
      directory.folders.insert(folder);
      StateDict tensors;
      for (const Saved& saved : state) {
        if (FolderOf(setting, rank, saved) == folder) tensors.push_back(saved);
      }
      std::map<std::string, std::string> files = PackFiles(tensors, setting.options.max_shard_bytes);
      // The loader wants a file in every folder.
      if (files.empty() && setting.loader()) files["model.safetensors"] = SafetensorsBytes({});
      for (auto& [name, bytes] : files) {
        const auto [entry, added] = directory.files.emplace(folder + "/" + name, bytes);
        if (!added && entry->second != bytes) throw Refused(entry->first + " is not the same for all its ranks");
      }
    }
  }
  directory.metadata = Metadata(setting, directory);
  return directory;
}

}  // namespace shardfs::evaluator
