// A mount made as users make it: by the program, in the background.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "fuse/temporary_mount.h"
#include "layout/golden_case.h"

namespace shardfs::testing {

// The command line of a golden case, behind SOURCE and the like.
inline std::vector<std::string> LayoutArguments(const GoldenCase& golden) {
  const MindieRequest& options = golden.options;
  std::vector<std::string> arguments;
  if (!golden.rank_table.empty()) arguments = {"--rank-table", golden.rank_table};
  const auto add = [&](const char* name, std::int64_t value) {
    if (value == ParallelConfig::kDefault) return;
    arguments.push_back(name);
    arguments.push_back(std::to_string(value));
  };
  add("--world-size", options.parallel.world_size);
  add("--dp", options.parallel.dp);
  add("--tp", options.parallel.tp);
  add("--moe-tp", options.parallel.moe_tp);
  add("--moe-ep", options.parallel.moe_ep);
  add("--sp", options.parallel.sp);
  add("--cp", options.parallel.cp);
  arguments.push_back(options.mtp ? "--mtp" : "--no-mtp");
  arguments.push_back("--max-shard-size");
  arguments.push_back(std::to_string(options.max_shard_bytes));
  for (const auto& [name, value] : options.layout_options) {
    arguments.push_back("-O");
    arguments.push_back(name + "=" + value);
  }
  return arguments;
}

// `shardfs mount` returned; the destructor unmounts whatever the test did.
class MountedProgram {
 public:
  MountedProgram(const std::string& source, const std::vector<std::string>& options)
      : path_(directory_.MakeDirectory("mnt")) {
    std::vector<std::string> arguments = {"mount", source, path_};
    arguments.insert(arguments.end(), options.begin(), options.end());
    result_ = RunShardfs(std::move(arguments));
  }

  const ProgramResult& result() const { return result_; }
  const std::string& path() const { return path_; }
  std::filesystem::path Scratch(const std::string& name) const { return directory_.path() / name; }

 private:
  MountableDirectory directory_;
  std::string path_;
  ProgramResult result_;
};

// The content of a file as a mapping shows it. `flags` is MAP_SHARED or MAP_PRIVATE.
inline std::string ReadMapped(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "cannot open " + path.string();
  struct stat info {};
  ::fstat(fd, &info);
  const auto size = static_cast<std::size_t>(info.st_size);
  std::string content;
  if (size > 0) {
    void* const mapping = ::mmap(nullptr, size, PROT_READ, flags, fd, 0);
    if (mapping == MAP_FAILED) {
      content = "cannot map " + path.string();
    } else {
      content.assign(static_cast<const char*>(mapping), size);
      ::munmap(mapping, size);
    }
  }
  ::close(fd);
  return content;
}

// Whether a directory holds what the reference wrote: the same files, the same bytes, whatever way `read` takes them.
inline ::testing::AssertionResult IsReferenceDirectory(
    const std::filesystem::path& directory, const std::filesystem::path& expected,
    const std::function<std::string(const std::filesystem::path&)>& read) {
  const auto files = FilesBelow(expected);
  if (FilesBelow(directory) != files)
    return ::testing::AssertionFailure() << directory << " has other files than " << expected;
  for (const std::string& file : files) {
    const std::string actual = read(directory / file);
    const std::string wanted = ReadFile(expected / file);
    const bool same = file == "model_sharded_metadata.json"
                          ? SameMetadata(ParseJson(actual, file).value(), ParseJson(wanted, file).value())
                          : actual == wanted;
    if (!same) return ::testing::AssertionFailure() << file << " differs";
  }
  for (const auto& entry : std::filesystem::directory_iterator(expected)) {
    if (entry.is_directory() && !std::filesystem::is_directory(directory / entry.path().filename())) {
      return ::testing::AssertionFailure() << entry.path().filename() << " is missing";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace shardfs::testing
