#include <algorithm>
#include <filesystem>
#include <system_error>

#include "bench/benchmarks.h"
#include "bench/mounts.h"
#include "bench/process.h"
#include "bench/reader.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string directory;
  std::vector<std::string> files;
};

// A checkpoint and how it is shown.
struct Case {
  const char* title;
  const char* preset;
  std::vector<std::string> layout;
  double most_seconds;
};

std::vector<Case> Cases() {
  return {{"DeepSeek-R1 W8A8",
           "deepseek-r1-w8a8",
           {"--dp", "2", "--tp", "8", "--moe-tp", "4", "--moe-ep", "4", "--mtp"},
           1.0},
          {"Qwen3-235B-A22B as sharded_state", "qwen3-235b-a22b", {"--layout", "sharded-state", "--tp", "8"}, 0.5},
          {"DeepSeek-V3 as sharded_state", "deepseek-v3", {"--layout", "sharded-state", "--tp", "16"}, 0.5}};
}

Result<Source> MakeSource(const Workplace& workplace, const Case& shown) {
  Source source{workplace.scratch + "/true-scale", {}};
  SHARDFS_RETURN_IF_ERROR(
      RunProcess({workplace.make_checkpoint, source.directory, "--preset", shown.preset, "--sparse"}).status());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(source.directory, error)) {
    if (entry.path().extension() == ".safetensors") source.files.push_back(entry.path());
  }
  std::sort(source.files.begin(), source.files.end());
  return source;
}

// One round: the mount until the command returns, then a listing, then what the daemon took at most.
struct MountCosts {
  std::vector<double> listing_milliseconds, peak_megabytes;
};

Result<double> TimeMount(const Workplace& workplace, const Source& source, const Case& shown, MountCosts& costs) {
  std::vector<std::string> arguments = {workplace.shardfs, "mount"};
  arguments.insert(arguments.end(), shown.layout.begin(), shown.layout.end());
  arguments.push_back(source.directory);
  SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, FuseMount::Start(workplace.scratch, std::move(arguments)));
  SHARDFS_ASSIGN_OR_RETURN(const ProcessResult listing, RunProcess({"ls", "-lR", mount.path()}));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t peak, mount.PeakMemory());
  costs.listing_milliseconds.push_back(listing.seconds * 1e3);
  costs.peak_megabytes.push_back(static_cast<double>(peak) / 1e6);
  return mount.seconds();
}

Row ValueRow(const std::string& name, const char* unit, double limit, std::vector<double> values) {
  Row row;
  row.name = name;
  row.unit = unit;
  row.better = Better::kLower;
  row.ours = std::move(values);
  row.target = Target{Bound::kValueAtMost, limit};
  return row;
}

Result<Rows> MeasureCase(const Workplace& workplace, const Case& shown) {
  SHARDFS_ASSIGN_OR_RETURN(const Source source, MakeSource(workplace, shown));
  MountCosts costs;
  const Measurement mount = [&] { return TimeMount(workplace, source, shown, costs); };
  const Measurement headers = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const ReadResult read, ReadFiles(workplace.reader, ReadMode::kHeaders, {source.files}));
    return read.seconds;
  };
  const auto values = Interleave(workplace.short_rounds(), {mount, headers});
  std::error_code error;
  fs::remove_all(source.directory, error);
  if (!values.ok()) return values.status();
  const std::string title = std::string("mount of ") + shown.title + " at true scale";
  Row ready = ValueRow(title + ", ready", "s", shown.most_seconds, (*values)[0]);
  ready.reference = (*values)[1];
  ready.against = "read() of the same headers";
  return Rows{ready, ValueRow(title + ", peak memory of the daemon", "MB", 250, costs.peak_megabytes),
              ValueRow(title + ", ls -lR", "ms", 50, costs.listing_milliseconds)};
}

}  // namespace

Result<Rows> MeasureTrueScale(const Workplace& workplace) {
  Rows rows;
  for (const Case& shown : Cases()) {
    SHARDFS_ASSIGN_OR_RETURN(const Rows own, MeasureCase(workplace, shown));
    rows.insert(rows.end(), own.begin(), own.end());
  }
  return rows;
}

}  // namespace shardfs::bench
