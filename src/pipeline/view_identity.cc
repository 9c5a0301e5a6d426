#include "pipeline/view_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{256} << 20;  // more than any layout reads
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::uint64_t kSamples = 64;  // of a larger file

FileDigest DigestOf(const std::string& text) { return FileDigest::OfBytes(std::as_bytes(std::span(text))); }

// The texts of the source that may have decided the view, a transform or the order of tensors: what the layout says that
// it read, config.json, and the indices.
std::vector<std::string> TextsOf(const BuiltView& built) {
  std::vector<std::string> names = built.view.read_files;
  const auto add = [&names](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  const CompanionFile* const config = built.checkpoint->FindFile("config.json");
  if (config != nullptr && config->is_regular) add(config->name);
  for (const CheckedIndex& index : built.checkpoint->indices()) add(index.name);
  return names;
}

// Weights go by size and time: reading them would take as long as the run.
Result<std::string> DescribeSource(const BuiltView& built) {
  std::string files;
  for (const auto& file : built.checkpoint->sources().files()) {
    files += fmt::format("{}\n{}\n{}\n", file->name(), file->size(), file->mtime_ns());
  }
  for (const std::string& name : TextsOf(built)) {
    SHARDFS_ASSIGN_OR_RETURN(auto source, built.checkpoint->sources().OpenFile(name));
    SHARDFS_ASSIGN_OR_RETURN(const FileDigest digest, ContentDigest(*MakePassthroughFile(std::move(source))));
    files += fmt::format("{}\n{}\n", name, digest.ToHex());
  }
  for (const VirtualNode& node : built.view.tree->nodes()) {
    if (node.is_directory() || node.file->kind() != FileKind::kPassthrough) continue;
    const auto digest = ContentDigest(*node.file);
    if (!digest.ok()) return digest.status().WithContext(node.name);
    files += fmt::format("{}\n{}\n", node.name, digest->ToHex());
  }
  return files;
}

}  // namespace

Result<FileDigest> ContentDigest(const VirtualFile& file) {
  DigestStream digest;
  const std::uint64_t size = file.size();
  const bool sampled = size > kMaxTextBytes;
  const std::uint64_t step = sampled ? (size - kPieceBytes) / (kSamples - 1) : kPieceBytes;
  std::vector<std::byte> piece;
  for (std::uint64_t offset = 0; offset < size; offset += step) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(size - offset, kPieceBytes)));
    SHARDFS_RETURN_IF_ERROR(file.ReadAt(offset, piece));
    digest.Add(piece);
  }
  if (sampled) {
    std::string rest = fmt::format("{}\n", size);
    file.VisitSources(0, size,
                      [&rest](const SourceSpan& span) { rest += fmt::format("{}\n", span.source->mtime_ns()); });
    digest.Add(std::as_bytes(std::span(rest)));
  }
  return digest.Finish();
}

Result<FileDigest> SourceDigest(const BuiltView& built) {
  SHARDFS_ASSIGN_OR_RETURN(const std::string files, DescribeSource(built));
  return DigestOf(files);
}

Result<RunIdentity> IdentityOf(const BuiltView& built) {
  RunIdentity identity = {{std::string(kProgramField), SHARDFS_VERSION},
                          {"reader", built.checkpoint->reader()},
                          {"layout", built.layout}};
  for (const auto& [name, size] : built.view.sizes) identity.emplace_back(FieldOfOption(name), std::to_string(size));
  identity.emplace_back("nodes", std::to_string(built.view.nodes));
  for (const auto& [name, value] : built.view.options) identity.emplace_back(FieldOfOption(name), value);
  std::string given;
  for (const auto& [name, value] : built.given) given += fmt::format("{}{}={}", given.empty() ? "" : " ", name, value);
  if (!given.empty()) identity.emplace_back("source options", given);
  SHARDFS_ASSIGN_OR_RETURN(const FileDigest digest, SourceDigest(built));
  identity.emplace_back("source",
                        fmt::format("{} files of digest {} (names, sizes and times of the weights, contents of the "
                                    "others)",
                                    built.checkpoint->sources().files().size(), digest.ToHex()));
  return identity;
}

}  // namespace shardfs
