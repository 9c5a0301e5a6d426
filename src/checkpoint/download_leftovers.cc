#include "checkpoint/download_leftovers.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "checkpoint/directory_listing.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxLeftovers = 10;

struct Place {
  const char* folder;  // from the checkpoint's directory, with a slash
  bool all;            // whatever is in it is a leftover
};

constexpr std::array kPlaces = {Place{"./", false}, Place{".cache/huggingface/download/", false},
                                Place{"._____temp/", true}};
constexpr Place kBlobs = {"../../blobs/", false};

bool IsSnapshot(std::string_view path) {
  const std::string_view parent = path.substr(0, path.rfind('/'));
  return parent.ends_with("/snapshots");
}

bool IsLeftover(std::string_view name) {
  // huggingface_hub, browsers, aria2 and scripts around curl write names with these endings.
  constexpr std::array<std::string_view, 7> kEndings = {".incomplete", ".part",       ".partial",     ".aria2",
                                                        ".download",   ".crdownload", ".tmp_download"};
  return std::any_of(kEndings.begin(), kEndings.end(), [name](auto ending) { return name.ends_with(ending); });
}

void Collect(int directory_fd, const Place& place, std::vector<std::string>& found) {
  const FileDescriptor folder(::openat(directory_fd, place.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return;
  const auto names = ListNames(folder.get());
  if (!names.ok()) return;
  const std::string_view prefix = place.folder == std::string_view("./") ? "" : place.folder;
  for (const std::string& name : *names) {
    if ((place.all || IsLeftover(name)) && found.size() < kMaxLeftovers) found.push_back(std::string(prefix) + name);
  }
}

}  // namespace

std::vector<std::string> FindDownloadLeftovers(int directory_fd, const std::string& path) {
  std::vector<std::string> found;
  for (const Place& place : kPlaces) Collect(directory_fd, place, found);
  if (IsSnapshot(path)) Collect(directory_fd, kBlobs, found);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace shardfs
