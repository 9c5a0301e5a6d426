#include "layout/mindspore/rank_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <tuple>

#include "base/natural_order.h"
#include "base/parse_number.h"
#include "base/quote_name.h"
#include "checkpoint/directory_listing.h"
#include "layout/mindspore/parameter_layout.h"

namespace shardfs {
namespace {

constexpr std::string_view kPrefix = "rank_";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string WithoutLeadingZeros(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return std::string(digits);
}

// The last two numbers in a text.
std::optional<TrainingStep> StepOf(std::string_view text) {
  std::vector<std::string> found;  // the last first
  std::size_t end = text.size();
  while (end > 0 && found.size() < 2) {
    if (!IsDigit(text[end - 1])) {
      --end;
      continue;
    }
    std::size_t begin = end;
    while (begin > 0 && IsDigit(text[begin - 1])) --begin;
    found.push_back(WithoutLeadingZeros(text.substr(begin, end - begin)));
    end = begin;
  }
  if (found.size() < 2) return std::nullopt;
  return TrainingStep{std::move(found[1]), std::move(found[0])};
}

bool IsDirectory(int parent, const std::string& name) {
  struct stat attributes = {};
  return ::fstatat(parent, name.c_str(), &attributes, 0) == 0 && S_ISDIR(attributes.st_mode);
}

struct RankNames {
  std::vector<RankCandidate> safetensors;
  std::vector<RankCandidate> ckpt;
  std::string any_ckpt;  // whether it is a candidate or not; "" where there is none
};

Result<RankNames> ListRank(const SourceRoot& root, const std::string& directory, const std::string& suffix) {
  const FileDescriptor fd(::openat(root.descriptor(), directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return Status::FromErrno(errno, "cannot open " + QuoteName(directory));
  const auto names = ListNames(fd.get());
  if (!names.ok()) return names.status().WithContext(QuoteName(directory));
  RankNames listed;
  for (const std::string& name : *names) {
    if (name.starts_with('.')) continue;
    if (name.ends_with(".ckpt")) listed.any_ckpt = directory + "/" + name;
    // The step is read from the name without its ending, which has no number.
    if (name.ends_with(suffix + ".safetensors")) listed.safetensors.push_back({directory + "/" + name, StepOf(name)});
    if (name.ends_with(suffix + ".ckpt")) listed.ckpt.push_back({directory + "/" + name, StepOf(name)});
  }
  return listed;
}

Status CheckCandidates(const RankDirectory& directory) {
  if (directory.candidates.size() < 2) return Status::Ok();
  for (const RankCandidate& candidate : directory.candidates) {
    if (candidate.step) continue;
    return Status::Corruption(
        fmt::format("rank {} has {} files, and which is the newest cannot be told: the name of {} has no epoch and "
                    "step; choose with --file-suffix, or move the others elsewhere",
                    directory.rank, directory.candidates.size(), QuoteName(candidate.path)));
  }
  return Status::Ok();
}

bool IsOlder(const RankCandidate& a, const RankCandidate& b) {
  if (a.step != b.step) return a.step < b.step;
  if (NaturallyBefore(a.path, b.path)) return true;
  return !NaturallyBefore(b.path, a.path) && a.path < b.path;
}

// The tools take the last by name, and "1_10" comes before "1_9".
void OrderCkpts(std::vector<RankCandidate>& candidates, std::vector<std::string>& warnings) {
  std::sort(candidates.begin(), candidates.end(),
            [](const RankCandidate& a, const RankCandidate& b) { return a.path < b.path; });
  const auto newest = std::max_element(candidates.begin(), candidates.end(), IsOlder);
  if (newest == candidates.end() || !newest->step || newest->path == candidates.back().path) return;
  warnings.push_back(fmt::format("{} is taken, as MindSpore takes the last .ckpt by name; {} is of a later step",
                                 QuoteName(candidates.back().path), QuoteName(newest->path)));
}

bool NumberBefore(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

bool operator<(const TrainingStep& a, const TrainingStep& b) {
  return a.epoch != b.epoch ? NumberBefore(a.epoch, b.epoch) : NumberBefore(a.step, b.step);
}

std::optional<std::uint32_t> RankOfDirectory(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const auto rank = ParseNumber<std::uint32_t>(std::string_view(name).substr(kPrefix.size()));
  return rank && *rank < kMostDevices ? rank : std::nullopt;
}

Result<std::vector<RankDirectory>> ListRankDirectories(const SourceRoot& root, const std::string& suffix,
                                                       std::vector<std::string>& warnings) {
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(root.descriptor()));
  std::vector<RankDirectory> ranks;
  std::vector<std::string> others;
  std::string safetensors;
  std::string ckpt;
  for (const std::string& name : names) {
    if (name.starts_with('.') || !IsDirectory(root.descriptor(), name)) continue;
    const auto rank = RankOfDirectory(name);
    if (!rank) {
      others.push_back(QuoteName(name));
      continue;
    }
    SHARDFS_ASSIGN_OR_RETURN(RankNames listed, ListRank(root, name, suffix));
    if (!listed.any_ckpt.empty()) ckpt = listed.any_ckpt;
    if (!listed.safetensors.empty()) safetensors = listed.safetensors.front().path;
    if (!listed.ckpt.empty()) {
      OrderCkpts(listed.ckpt, warnings);
      ranks.push_back({*rank, std::move(listed.ckpt)});
      continue;
    }
    std::sort(listed.safetensors.begin(), listed.safetensors.end(), IsOlder);
    ranks.push_back({*rank, std::move(listed.safetensors)});
    SHARDFS_RETURN_IF_ERROR(CheckCandidates(ranks.back()));
  }
  if (!ckpt.empty() && !safetensors.empty()) {
    return Status::Corruption(fmt::format("the ranks hold files of two formats, {} and {}; move one kind elsewhere",
                                          QuoteName(safetensors), QuoteName(ckpt)));
  }
  std::sort(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
  for (std::size_t i = 1; i < ranks.size(); ++i) {
    if (ranks[i].rank != ranks[i - 1].rank) continue;
    return Status::Corruption(fmt::format("two directories are rank {}'s; remove one of them", ranks[i].rank));
  }
  if (!others.empty()) {
    warnings.push_back(fmt::format(
        "{} no directory of a rank (rank_0, rank_1, ...), and left out: {}",
        others.size() == 1 ? "one directory is" : fmt::format("{} directories are", others.size()), others.front()));
  }
  return ranks;
}

}  // namespace shardfs
