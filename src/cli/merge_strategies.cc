// shardfs merge-strategies: the strategies that training has saved, one a rank, as one file.
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

#include "base/quote_name.h"
#include "cli/commands.h"
#include "console/output.h"
#include "layout/mindspore/strategy_file.h"
#include "materialize/small_file.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

struct MergeArguments {
  std::string directory;
  std::string file;
};

Status CheckName(const std::string& file, bool is_json) {
  if (file.ends_with(".json") == is_json) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("the strategies are {}, and {} {} in .json; a strategy is read by the ending of its name",
                  is_json ? "JSON" : "protobuf", QuoteName(file), is_json ? "does not end" : "ends"));
}

Status RunMerge(const MergeArguments& arguments) {
  SHARDFS_ASSIGN_OR_RETURN(const MergedStrategy merged, MergeStrategies(arguments.directory, arguments.file));
  SHARDFS_RETURN_IF_ERROR(CheckName(arguments.file, merged.is_json));
  const std::filesystem::path path(arguments.file);
  if (!path.has_filename()) {
    return Status::InvalidArgument(fmt::format("{} is no name of a file", QuoteName(arguments.file)));
  }
  const std::string parent = path.has_parent_path() ? path.parent_path().string() : ".";
  const FileDescriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return Status::FromErrno(errno, "cannot open " + QuoteName(parent));
  constexpr mode_t kMode = 0644;
  SHARDFS_RETURN_IF_ERROR(
      WriteSmallFile(directory.get(), path.filename().string(), arguments.file, merged.bytes, kMode));
  PrintNote(fmt::format("merged the strategies of {} pipeline {} from {} {} into {}", merged.stages,
                        merged.stages == 1 ? "stage" : "stages", merged.files, merged.files == 1 ? "file" : "files",
                        arguments.file));
  return Status::Ok();
}

}  // namespace

Command AddMergeStrategiesCommand(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("merge-strategies", "Merge the strategies of MindSpore's ranks into a file");
  auto arguments = std::make_shared<MergeArguments>();
  command->add_option("DIR", arguments->directory, "Directory of strategies (*.ckpt or *.json), one a rank")
      ->required();
  command->add_option("FILE", arguments->file, "The merged strategy; replaced if it is there")->required();
  return {command, [arguments] { return ExitCodeOf(RunMerge(*arguments)); }};
}

}  // namespace shardfs
