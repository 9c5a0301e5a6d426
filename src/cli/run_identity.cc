#include "cli/run_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{256} << 20;  // more than any layout reads
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

FileDigest DigestOf(const std::string& text) { return FileDigest::OfBytes(std::as_bytes(std::span(text))); }

Result<FileDigest> DigestOf(const VirtualFile& file) {
  DigestStream digest;
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), kPieceBytes)));
  for (std::uint64_t offset = 0; offset < file.size(); offset += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(file.size() - offset, kPieceBytes)));
    SHARDFS_RETURN_IF_ERROR(file.ReadAt(offset, piece));
    digest.Add(piece);
  }
  return digest.Finish();
}

// Weights go by size and time: reading them would take as long as the run.
Result<std::string> DescribeSource(const View& view) {
  std::string files;
  for (const auto& file : view.checkpoint->files()) {
    files += fmt::format("{}\n{}\n{}\n", file->name(), file->size(), file->mtime_ns());
  }
  for (const std::string& name : view.layout.read_files) {
    SHARDFS_ASSIGN_OR_RETURN(const std::string text, view.checkpoint->ReadTextFile(name, kMaxTextBytes));
    files += fmt::format("{}\n{}\n", name, DigestOf(text).ToHex());
  }
  for (const VirtualNode& node : view.layout.tree->nodes()) {
    if (node.is_directory() || node.file->kind() != FileKind::kPassthrough) continue;
    const auto digest = DigestOf(*node.file);
    if (!digest.ok()) return digest.status().WithContext(node.name);
    files += fmt::format("{}\n{}\n", node.name, digest->ToHex());
  }
  return files;
}

}  // namespace

Result<RunIdentity> IdentityOf(const View& view) {
  const LayoutOptions& options = view.options.options;
  RunIdentity identity = {{"shardfs", SHARDFS_VERSION}, {"layout", view.options.layout}};
  for (const auto& [name, size] : view.layout.sizes) {
    std::string typed = name;
    std::replace(typed.begin(), typed.end(), '_', '-');
    identity.emplace_back(std::move(typed), std::to_string(size));
  }
  identity.emplace_back("nodes", std::to_string(view.layout.nodes));
  identity.emplace_back("mtp", options.mtp ? "yes" : "no");
  identity.emplace_back("max-shard-size", std::to_string(options.max_shard_bytes));
  identity.emplace_back("dp-partition-up", options.dp_partition_up ? "yes" : "no");
  for (const auto& [name, value] : options.layout_options) identity.emplace_back("-O " + name, value);
  SHARDFS_ASSIGN_OR_RETURN(const std::string files, DescribeSource(view));
  identity.emplace_back("source",
                        fmt::format("{} files of digest {} (names, sizes and times of the weights, contents of the "
                                    "others)",
                                    view.checkpoint->files().size(), DigestOf(files).ToHex()));
  return identity;
}

}  // namespace shardfs
