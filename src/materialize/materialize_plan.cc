#include "shardfs/materialize/materialize_plan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "materialize/destination_check.h"
#include "materialize/destination_lock.h"
#include "materialize/journal.h"
#include "materialize/leftovers.h"
#include "materialize/reopen.h"
#include "materialize/temporary_path.h"
#include "base/quote_name.h"
#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// Which nodes are to be written, by node number. A node's directories are written with it, whoever needs them.
std::vector<bool> SelectNodes(const VirtualTree& tree, const std::optional<RankSet>& ranks) {
  std::vector<bool> selected(tree.size(), !ranks.has_value());
  selected[kRootNode] = true;
  if (!ranks) return selected;
  for (NodeId id = 1; id < tree.size(); ++id) {
    if (!tree.node(id).ranks.Intersects(*ranks)) continue;
    for (NodeId up = id; !selected[up]; up = tree.node(up).parent) selected[up] = true;
  }
  return selected;
}

// Refuses names that the manifest cannot hold, and those that would meet the run's own files.
Status CheckName(const VirtualNode& node) {
  if (!IsUtf8(node.name)) {
    return Status::InvalidArgument(fmt::format(
        "the name {} is not UTF-8, and the manifest is; rename the file in the source", QuoteName(node.name)));
  }
  if (!node.name.starts_with(kReservedPrefix)) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("the view has {}, and names that begin with {} are those of files that materialize keeps for itself; "
                  "rename it in the source",
                  QuoteName(node.name), kReservedPrefix));
}

// Adds what the plan knows of its run.
RunIdentity Complete(RunIdentity identity, const std::optional<RankSet>& ranks, std::span<const PlannedFile> files,
                     std::span<const std::string> directories) {
  std::string names;
  for (const PlannedFile& file : files) names += fmt::format("{}\n{}\n", file.path, file.file->size());
  for (const std::string& path : directories) names += path + "\n";
  identity.emplace_back("ranks", ranks ? fmt::format("{}", fmt::join(ranks->ranks(), ",")) : "all");
  identity.emplace_back("files", fmt::format("{} of digest {}", files.size(),
                                             FileDigest::OfBytes(std::as_bytes(std::span(names))).ToHex()));
  return identity;
}

// The size of a regular file, or nothing.
std::optional<std::uint64_t> SizeOf(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

std::uint64_t OccupiedBytes(const std::string& path) {
  struct stat info {};
  constexpr std::uint64_t kUnit = 512;  // of st_blocks
  return ::lstat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * kUnit : 0;
}

// What is left of an unfinished run and goes before anything is written.
std::uint64_t ReclaimedBytes(const JournalContents& unfinished, const std::set<std::string>& kept,
                             const std::string& destination) {
  std::uint64_t bytes = 0;
  for (const std::string& path : unfinished.files) {
    bytes += OccupiedBytes(destination + "/" + TemporaryPath(path));
    if (!kept.contains(path)) bytes += OccupiedBytes(destination + "/" + path);
  }
  return bytes;
}

}  // namespace

Status MaterializePlan::FindComplete() {
  const FileDescriptor root(::open(destination_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return Status::FromErrno(errno, fmt::format("cannot open '{}'", destination_));
  SHARDFS_ASSIGN_OR_RETURN(Manifest manifest, Manifest::Read(root.get(), destination_));
  const auto difference = DescribeDifference(manifest.run, identity_);
  if (difference && !options_.replace) {
    return Status::InvalidArgument(fmt::format(
        "the destination '{}' is not empty: it holds another complete run ({}); give --replace to remove that and "
        "write this, or choose another destination",
        destination_, *difference));
  }
  auto contents = ContentsOf(std::move(manifest));
  KeepDone(contents);
  is_complete_ =
      !difference && std::all_of(kept_.begin(), kept_.end(), [](const auto& digest) { return digest.has_value(); });
  mends_ = !difference && options_.replace;
  if (is_complete_ && !mends_) return Status::Ok();
  if (!is_complete_) SHARDFS_RETURN_IF_ERROR(CheckMayBeFilled(destination_));
  reopens_ = true;
  unfinished_ = std::make_shared<const JournalContents>(std::move(contents));
  if (is_complete_) return Status::Ok();
  restart_ = restart_ || difference.has_value();
  if (restart_) kept_.assign(files_.size(), std::nullopt);
  return Status::Ok();
}

Status MaterializePlan::FindUnfinished() {
  const FileDescriptor root(::open(destination_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return Status::FromErrno(errno, fmt::format("cannot open '{}'", destination_));
  // First of all: to throw away what another run is writing would be the wrong advice.
  SHARDFS_RETURN_IF_ERROR(CheckJournalNotHeld(root.get(), destination_));
  auto contents = ReadJournal(root.get(), destination_);
  if (!contents.ok()) {
    return Status(contents.status())
        .WithContext(fmt::format("the destination '{}' is not empty, and what left it cannot be told; "
                                 "remove it or choose another",
                                 destination_));
  }
  unfinished_ = std::make_shared<const JournalContents>(*std::move(contents));
  if (restart_) return Status::Ok();
  if (const auto difference = DescribeDifference(unfinished_->run, identity_)) {
    restart_ = options_.replace;
    if (restart_) return Status::Ok();
    return Status::InvalidArgument(fmt::format(
        "the destination '{}' holds an unfinished run that was another ({}); give --replace to throw it away "
        "and write this, or choose another destination",
        destination_, *difference));
  }
  KeepDone(*unfinished_);
  mends_ = options_.replace;
  return Status::Ok();
}

void MaterializePlan::KeepDone(const JournalContents& contents) {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const auto done = contents.done.find(files_[i].path);
    if (done == contents.done.end()) continue;
    const auto size = SizeOf(destination_ + "/" + files_[i].path);
    if (size == done->second.size && size == files_[i].file->size()) kept_[i] = done->second.digest;
  }
}

Status MaterializePlan::AddFiles(const std::optional<RankSet>& ranks) {
  const std::vector<bool> selected = SelectNodes(*tree_, ranks);
  for (NodeId id = 1; id < tree_->size(); ++id) {
    if (!selected[id]) continue;
    const VirtualNode& node = tree_->node(id);
    SHARDFS_RETURN_IF_ERROR(CheckName(node));
    if (node.is_directory()) {
      directories_.push_back(tree_->PathOf(id));
    } else {
      files_.push_back({tree_->PathOf(id), node.file.get()});
      total_bytes_ += node.file->size();
    }
  }
  return Status::Ok();
}

Status MaterializePlan::LookInto(Destination& found) {
  kept_.assign(files_.size(), std::nullopt);
  unfinished_.reset();
  is_complete_ = reopens_ = mends_ = false;
  restart_ = options_.restart;
  if (!found.exists) return Status::Ok();
  SHARDFS_RETURN_IF_ERROR(shardfs::LookInto(found));
  if (found.is_complete) return FindComplete();
  return found.is_unfinished ? FindUnfinished() : Status::Ok();
}

Status MaterializePlan::CheckRoomFor(const Destination& found) const {
  std::uint64_t reclaimed = 0;
  if (unfinished_ != nullptr) {
    std::set<std::string> kept;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (kept_[i]) kept.insert(files_[i].path);
    }
    reclaimed = ReclaimedBytes(*unfinished_, kept, destination_);
  }
  std::vector<std::uint64_t> sizes;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (!kept_[i]) sizes.push_back(files_[i].file->size());
  }
  const std::uint64_t directories = found.is_unfinished && !restart_ ? 0 : directories_.size() + 1;
  return CheckRoom(found.existing, {sizes, directories, reclaimed});
}

Result<MaterializePlan> MaterializePlan::Create(std::shared_ptr<const VirtualTree> tree,
                                                const std::optional<RankSet>& ranks, const std::string& source,
                                                const std::string& destination, const MaterializePlanOptions& options) {
  SHARDFS_ASSIGN_OR_RETURN(Destination found, FindDestination(destination, source));
  MaterializePlan plan;
  plan.tree_ = std::move(tree);
  SHARDFS_RETURN_IF_ERROR(plan.AddFiles(ranks));
  plan.destination_ = found.path;
  plan.destination_exists_ = found.exists;
  plan.options_ = options;
  plan.identity_ = Complete(options.identity, ranks, plan.files_, plan.directories_);
  plan.lock_ = found.lock;
  SHARDFS_RETURN_IF_ERROR(plan.LookInto(found));
  if (plan.lock_ != nullptr && (!plan.is_complete_ || plan.mends_)) {
    SHARDFS_RETURN_IF_ERROR(plan.lock_->MakeExclusive());
    if (!plan.lock_->IsAt(plan.destination_)) {
      return Status::InvalidArgument(
          fmt::format("the destination '{}' was removed or replaced meanwhile; run again", plan.destination_));
    }
    SHARDFS_RETURN_IF_ERROR(plan.LookInto(found));
  }
  if (plan.is_complete_) return plan;
  if (plan.restart_ && plan.unfinished_ != nullptr) {
    SHARDFS_RETURN_IF_ERROR(CheckNothingElse(plan.destination_, *plan.unfinished_));
  }
  SHARDFS_RETURN_IF_ERROR(plan.CheckRoomFor(found));
  return plan;
}

}  // namespace shardfs
