#include "layout/mindie/check/place_warnings.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>

namespace shardfs {

namespace fs = std::filesystem;

std::vector<Text> MindieWarnings(const std::string& path, mode_t file_mode, mode_t directory_mode) {
  constexpr std::string_view kAllowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_./-";
  constexpr std::size_t kMaxPath = 4096;
  constexpr std::size_t kMaxComponent = 255;
  constexpr std::ptrdiff_t kMaxDepth = 32;
  constexpr mode_t kWorldWritable = 0002;

  std::vector<Text> warnings;
  const auto refuses = [&](const Text& what) {
    warnings.push_back(Tr("MindIE will refuse a model here: the mountpoint {} {}", path, what));
  };
  if (path.find_first_not_of(kAllowed) != std::string::npos) {
    refuses(Tr("has other characters than letters, digits and _ . / -"));
  }
  if (path.size() > kMaxPath) refuses(Tr("has {} characters, and 4096 are allowed", path.size()));
  const fs::path parts = fs::path(path).relative_path();
  const std::ptrdiff_t depth = std::distance(parts.begin(), parts.end());
  if (depth > kMaxDepth) refuses(Tr("is {} directories deep, and 32 are allowed", depth));
  if (std::any_of(parts.begin(), parts.end(),
                  [](const fs::path& part) { return part.native().size() > kMaxComponent; })) {
    refuses(Tr("has a name of more than 255 characters"));
  }
  if (((file_mode | directory_mode) & kWorldWritable) != 0) {
    warnings.push_back(Tr("MindIE will refuse files and directories that everybody may write to (mode 0002)"));
  }
  return warnings;
}

}  // namespace shardfs
