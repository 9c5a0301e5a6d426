#include "verify/published_digest.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/text_file.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

std::optional<ExpectedDigest> DigestNamed(std::string_view name, std::string from) {
  constexpr std::size_t kSha256Digits = 64;
  constexpr std::size_t kSha1Digits = 40;
  if (name.size() != kSha256Digits && name.size() != kSha1Digits) return std::nullopt;
  if (name.find_first_not_of("0123456789abcdef") != name.npos) return std::nullopt;
  return ExpectedDigest{name.size() == kSha256Digits ? HashKind::kSha256 : HashKind::kSha1, std::string(name),
                        std::move(from)};
}

std::optional<ExpectedDigest> DigestOfLink(const fs::path& file) {
  std::error_code error;
  const fs::path target = fs::read_symlink(file, error);
  if (error || target.parent_path().filename() != "blobs") return std::nullopt;
  return DigestNamed(target.filename().native(), "the name of its blob in the Hugging Face cache");
}

// Three lines: the commit, the digest, the time.
std::optional<ExpectedDigest> DigestOfMetadata(const std::string& directory, const std::string& path) {
  const auto text = ReadTextFile(directory + "/.cache/huggingface/download/" + path + ".metadata", 4096);
  if (!text.ok()) return std::nullopt;
  const std::size_t first = text->find('\n');
  if (first == std::string::npos) return std::nullopt;
  std::string_view line = std::string_view(*text).substr(first + 1);
  line = line.substr(0, line.find('\n'));
  while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
  return DigestNamed(line, "what the download from Hugging Face has noted");
}

}  // namespace

std::optional<ExpectedDigest> FindPublishedDigest(const std::string& directory, const std::string& path) {
  if (auto digest = DigestOfLink(fs::path(directory) / path)) return digest;
  return DigestOfMetadata(directory, path);
}

}  // namespace shardfs
