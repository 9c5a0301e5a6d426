// Turns what the passes over a source's files have found into findings and notes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/quote_name.h"
#include "shardfs/base/format_bytes.h"
#include "verify/lost_bytes.h"
#include "verify/source_check.h"

namespace shardfs {
namespace {

using Kind = SourceFinding::Kind;
using File = SourceCheck::File;

std::string Plural(std::uint64_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

SourceFinding ZerosOf(const File& file, const LostBytes& lost, bool in_file) {
  const std::string name(file.weights->tensors->specs()[lost.tensor].name);
  SourceFinding finding{.path = file.path, .kind = Kind::kZeros, .tensor = name};
  finding.offset = lost.offset;
  finding.bytes = lost.bytes;
  finding.message = fmt::format(
      "{} of zeros in {}{}, {} at byte {} of the {}: it looks as if they had been lost; fetch the file again",
      lost.bytes >= 1000 ? fmt::format("{} ({} bytes)", FormatBytes(lost.bytes), lost.bytes)
                         : Plural(lost.bytes, "byte"),
      QuoteName(name), lost.tensors > 1 ? fmt::format(" and {} more", lost.tensors - 1) : "",
      lost.runs > 1 ? fmt::format("{} runs, the first", lost.runs) : "one run", lost.offset,
      in_file ? "file" : "tensor");
  return finding;
}

// Finds lost bytes in all tensors of a file; `zero_vectors` counts those that may be zero.
std::vector<SourceFinding> AllZeros(const File& file, const std::vector<ZeroRun>& in_file,
                                    const std::map<std::uint32_t, std::vector<ZeroRun>>& in_tensors,
                                    std::uint64_t& zero_vectors) {
  std::vector<SourceFinding> findings;
  const auto specs = file.weights->tensors->specs();
  const auto judge = [&](const std::vector<ZeroRun>& runs, std::span<const TensorRange> ranges, bool lies_in_file) {
    const ZeroVerdict verdict = JudgeZeros(JoinZeroRuns(runs), ranges, specs);
    zero_vectors += verdict.tensors_of_zeros;
    for (const LostBytes& lost : verdict.lost) findings.push_back(ZerosOf(file, lost, lies_in_file));
  };
  judge(in_file, file.layout.ranges, true);
  std::set<std::uint32_t> placed;
  if (!in_tensors.empty()) {
    for (const TensorRange& range : file.layout.ranges) placed.insert(range.tensor);
  }
  for (const auto& [tensor, runs] : in_tensors) {
    const TensorRange whole{0, BytesOf(specs[tensor]), tensor, 0};
    if (!placed.contains(tensor)) judge(runs, std::span(&whole, 1), false);
  }
  return findings;
}

SourceFinding ValuesOf(const File& file, const TensorSpec& spec, const SpecialValues& values) {
  SourceFinding finding{.path = file.path,
                        .kind = values.nan > 0 ? Kind::kNan : Kind::kInfinity,
                        .tensor = std::string(spec.name),
                        .nan = values.nan,
                        .infinite = values.infinite};
  std::string what = values.nan > 0 ? fmt::format("{} NaN", values.nan) : "";
  if (values.infinite > 0) {
    what +=
        fmt::format("{}{} infinit{}", what.empty() ? "" : " and ", values.infinite, values.infinite == 1 ? "y" : "ies");
  }
  finding.message =
      fmt::format("{} among the {} values of {} ({})", what, BytesOf(spec) / SpecialValueBytes(spec.dtype),
                  QuoteName(spec.name), DtypeName(spec.dtype));
  return finding;
}

// Says why a file of the source is not read as it should be.
SourceFinding Unreadable(const File& file, const Status& status) {
  return {.path = file.path, .kind = Kind::kUnreadable, .message = std::string(status.message())};
}

// Appends what is wrong with the digest; whether it is equal.
bool CompareDigest(const File& file, const std::vector<std::string>& digests, SourceCheckReport& report) {
  if (!file.expected || digests.empty()) return false;
  ++report.digests;
  const ExpectedDigest& expected = *file.expected;
  if (digests.front() == expected.hex) {
    ++report.equal_digests;
    return true;
  }
  SourceFinding finding{.path = file.path, .kind = Kind::kDigest};
  finding.expected = expected.hex;
  finding.actual = digests.front();
  finding.message =
      fmt::format("its {} is {}, and {} is {}", expected.kind == HashKind::kSha256 ? "SHA-256" : "SHA-1 in git",
                  finding.actual, expected.from, expected.hex);
  report.findings.push_back(std::move(finding));
  return false;
}

void CompareNames(const ChecksumList& against, const std::string& name, const std::vector<File>& files,
                  SourceCheckReport& report) {
  std::set<std::string_view> present;
  std::uint64_t unnamed = 0;
  for (const File& file : files) {
    present.insert(file.path);
    if (file.expected) continue;
    if (!file.is_weights) {
      ++unnamed;
      continue;
    }
    report.findings.push_back({.path = file.path, .kind = Kind::kExtra, .message = fmt::format("is not in {}", name)});
  }
  if (unnamed > 0) {
    report.notes.push_back(
        fmt::format("{} beside the weights {} not in {}", Plural(unnamed, "file"), unnamed == 1 ? "is" : "are", name));
  }
  for (const Checksum& entry : against.entries) {
    if (present.contains(entry.path)) continue;
    SourceFinding finding{.path = entry.path, .kind = Kind::kMissing, .expected = entry.sha256};
    finding.message = fmt::format("is missing, and {} has it", name);
    report.findings.push_back(std::move(finding));
  }
}

}  // namespace

std::string_view SourceFindingName(SourceFinding::Kind kind) {
  constexpr std::array<std::string_view, 8> kNames{"unreadable", "incomplete", "digest", "missing",
                                                   "extra",      "zeros",      "nan",    "infinity"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool IsBroken(SourceFinding::Kind kind) { return kind == Kind::kUnreadable || kind == Kind::kIncomplete; }

SourceCheckReport SourceCheck::Report(const std::vector<Found>& found) const {
  SourceCheckReport report;
  std::uint64_t zero_vectors = 0;
  std::uint64_t published_zeros = 0;
  report.files = files_.size();
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const File& file = files_[i];
    const Found& of_file = found[i];
    const Status& problem = file.problem.ok() ? of_file.problem : file.problem;
    report.weights_files += file.is_weights ? 1 : 0;
    if (!problem.ok() && file.is_counted) report.findings.push_back(Unreadable(file, problem));
    if (!problem.ok() && !file.is_counted) {
      report.notes.push_back(fmt::format("{}: it is not read with this checkpoint, and cannot be: {}",
                                         QuoteName(file.path), problem.message()));
    }
    const auto& digests = of_file.pass.digests;
    const bool is_published = CompareDigest(file, digests, report);
    if (const auto hashes = HashesOf(file); options_.wants_checksums && digests.size() == hashes.size()) {
      report.checksums.entries.push_back({file.path, digests.back()});
    }
    if (!file.weights) continue;
    report.tensors += file.weights->tensors->specs().size();
    for (SourceFinding& zeros : AllZeros(file, of_file.pass.zeros, of_file.zeros, zero_vectors)) {
      if (is_published) {
        ++published_zeros;
      } else {
        report.findings.push_back(std::move(zeros));
      }
    }
    for (const auto& [tensor, values] : of_file.pass.values) {
      report.findings.push_back(ValuesOf(file, file.weights->tensors->specs()[tensor], values));
    }
  }
  if (options_.against && !root_->is_file()) CompareNames(*options_.against, options_.against_name, files_, report);
  if (zero_vectors > 0) {
    report.notes.push_back(
        fmt::format("{} all zeros, as biases and offsets may be",
                    zero_vectors == 1 ? "1 vector is" : fmt::format("{} vectors are", zero_vectors)));
  }
  if (published_zeros > 0) {
    report.notes.push_back(
        fmt::format("{} long runs of zeros in files whose digests are right: they are values",
                    published_zeros == 1 ? "1 tensor has" : fmt::format("{} tensors have", published_zeros)));
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const SourceFinding& a, const SourceFinding& b) { return a.path < b.path; });
  return report;
}

}  // namespace shardfs
