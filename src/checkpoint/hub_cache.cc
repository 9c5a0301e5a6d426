// huggingface_hub keeps a model under models--OWNER--NAME: blobs/ has the files, snapshots/REVISION/ has links to them
// by their names, and refs/BRANCH has the revision that the branch was last seen at. The folder above holds all models.
// A user who was told "it is in the cache" gives any of these.
#include "checkpoint/hub_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "base/quote_name.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxShown = 10;

bool IsDirectory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<fs::path> Folders(const fs::path& path, std::string_view prefix = "") {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    if (name.starts_with(prefix) && !name.starts_with('.') && IsDirectory(at->path())) folders.push_back(at->path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The folder of one model that the path is, or is the snapshots/ of.
std::optional<fs::path> ModelFolder(const fs::path& path) {
  const auto is_model = [](const fs::path& folder) {
    // A copy that followed the links has neither blobs nor refs.
    const bool is_named = folder.filename().native().starts_with("models--");
    return IsDirectory(folder / "snapshots") &&
           (is_named || IsDirectory(folder / "blobs") || IsDirectory(folder / "refs"));
  };
  if (is_model(path)) return path;
  if (path.filename() == "snapshots" && is_model(path.parent_path())) return path.parent_path();
  return std::nullopt;
}

std::string ReadReference(const fs::path& path) {
  std::ifstream file(path);
  std::string revision(64, '\0');
  file.read(revision.data(), static_cast<std::streamsize>(revision.size()));
  revision.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  const std::size_t end = revision.find_first_of(" \r\n");
  return revision.substr(0, end);
}

// The paths, quoted, ten at most; `marked` is said of the one of that name.
std::string List(const std::vector<fs::path>& paths, const std::string& marked = "") {
  std::vector<std::string> shown;
  for (const fs::path& path : paths) {
    if (shown.size() == kMaxShown) break;
    const bool is_marked = !marked.empty() && path.filename() == marked;
    shown.push_back(QuoteName(path.string()) + (is_marked ? " (which refs/main names)" : ""));
  }
  const std::size_t unnamed = paths.size() - shown.size();
  return fmt::format("{}{}", fmt::join(shown, ", "), unnamed == 0 ? "" : fmt::format(" and {} more", unnamed));
}

Result<std::optional<std::string>> OnlySnapshot(const fs::path& model) {
  const std::vector<fs::path> snapshots = Folders(model / "snapshots");
  if (snapshots.size() == 1) return std::optional(snapshots.front().string());
  if (snapshots.empty()) {
    return Status::InvalidArgument(
        fmt::format("{} is a Hugging Face cache without a snapshot; download the model", QuoteName(model.string())));
  }
  return Status::InvalidArgument(fmt::format("{} is a Hugging Face cache of {} snapshots; give one of them: {}",
                                             QuoteName(model.string()), snapshots.size(),
                                             List(snapshots, ReadReference(model / "refs/main"))));
}

}  // namespace

Result<std::optional<std::string>> FindSnapshot(const std::string& path) {
  if (const auto model = ModelFolder(path)) return OnlySnapshot(*model);
  for (const fs::path& hub : {fs::path(path), fs::path(path) / "hub"}) {
    const std::vector<fs::path> models = Folders(hub, "models--");
    if (models.empty()) continue;
    std::vector<fs::path> snapshots;
    for (const fs::path& model : models) {
      for (const fs::path& snapshot : Folders(model / "snapshots")) snapshots.push_back(snapshot);
    }
    return Status::InvalidArgument(fmt::format("{} is a Hugging Face cache of {} model{}; give the snapshot of one: {}",
                                               QuoteName(path), models.size(), models.size() == 1 ? "" : "s",
                                               List(snapshots.empty() ? models : snapshots)));
  }
  return std::optional<std::string>();
}

}  // namespace shardfs
