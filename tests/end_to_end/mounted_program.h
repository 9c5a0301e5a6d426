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
#include "end_to_end/layout_arguments.h"
#include "fuse/temporary_mount.h"
#include "layout/golden_case.h"

namespace shardfs::testing {

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
