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

Result<Source> MakeSource(const Workplace& workplace) {
  Source source{workplace.scratch + "/true-scale", {}};
  SHARDFS_RETURN_IF_ERROR(
      RunProcess({workplace.make_checkpoint, source.directory, "--preset", "deepseek-r1-w8a8", "--sparse"}).status());
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

Result<double> TimeMount(const Workplace& workplace, const Source& source, MountCosts& costs) {
  const std::vector<std::string> layout = {"--dp", "2", "--tp", "8", "--moe-tp", "4", "--moe-ep", "4", "--mtp"};
  std::vector<std::string> arguments = {workplace.shardfs, "mount"};
  arguments.insert(arguments.end(), layout.begin(), layout.end());
  arguments.push_back(source.directory);
  SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, FuseMount::Start(workplace.scratch, std::move(arguments)));
  SHARDFS_ASSIGN_OR_RETURN(const ProcessResult listing, RunProcess({"ls", "-lR", mount.path()}));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t peak, mount.PeakMemory());
  costs.listing_milliseconds.push_back(listing.seconds * 1e3);
  costs.peak_megabytes.push_back(static_cast<double>(peak) / 1e6);
  return mount.seconds();
}

Row ValueRow(const char* name, const char* unit, double limit, std::vector<double> values) {
  Row row;
  row.name = name;
  row.unit = unit;
  row.better = Better::kLower;
  row.ours = std::move(values);
  row.target = Target{Bound::kValueAtMost, limit};
  return row;
}

}  // namespace

Result<Rows> MeasureTrueScale(const Workplace& workplace) {
  SHARDFS_ASSIGN_OR_RETURN(const Source source, MakeSource(workplace));
  MountCosts costs;
  const Measurement mount = [&] { return TimeMount(workplace, source, costs); };
  const Measurement headers = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const ReadResult read, ReadFiles(workplace.reader, ReadMode::kHeaders, {source.files}));
    return read.seconds;
  };
  const auto values = Interleave(workplace.short_rounds(), {mount, headers});
  std::error_code error;
  fs::remove_all(source.directory, error);
  if (!values.ok()) return values.status();
  Row ready = ValueRow("mount of DeepSeek-R1 W8A8 at true scale, ready", "s", 1.0, (*values)[0]);
  ready.reference = (*values)[1];
  ready.against = "read() of the same headers";
  return Rows{ready, ValueRow("the same, peak memory of the daemon", "MB", 250, costs.peak_megabytes),
              ValueRow("the same, ls -lR", "ms", 50, costs.listing_milliseconds)};
}

}  // namespace shardfs::bench
