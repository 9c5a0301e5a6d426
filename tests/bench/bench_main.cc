// shardfs_bench: the driver behind run.sh. Exit codes: 0 measured (whatever the figures), 1 failed, 2 refused.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "bench/benchmarks.h"
#include "bench/machine.h"
#include "bench/memory.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/stop_request.h"

namespace shardfs::bench {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  Workplace workplace;
  std::string out;
  std::vector<std::string> only;
  std::string checkpoint;  // empty: as the benchmarks say
  bool prepare = false;
  bool keep = false;  // the checkpoints
};

bool Wanted(const Arguments& arguments, const std::string& name) {
  return arguments.only.empty() || std::count(arguments.only.begin(), arguments.only.end(), name) > 0;
}

bool WantedOf(const Arguments& arguments, const CheckpointBenchmark& benchmark, const std::string& checkpoint) {
  if (!Wanted(arguments, benchmark.name)) return false;
  if (!arguments.checkpoint.empty()) return checkpoint == arguments.checkpoint;
  return benchmark.both || arguments.workplace.full || checkpoint == kMainCheckpoint;
}

// Everything that can be known to be missing before the first byte is written.
Status CheckMachine(const Arguments& arguments) {
  const Workplace& workplace = arguments.workplace;
  if (::geteuid() != 0) return Status::InvalidArgument("the benchmark mounts file systems: start it as root");
  if (FilesystemName(workplace.checkpoints) == "tmpfs") {
    return Status::InvalidArgument(workplace.checkpoints + " is in memory: give a directory on a disk with --scratch");
  }
  const Needs needs = NeedsOf(workplace);
  struct statvfs info {};
  if (::statvfs(workplace.checkpoints.c_str(), &info) != 0) return Status::FromErrno(errno, workplace.checkpoints);
  const std::uint64_t disk = info.f_bavail * info.f_frsize, memory = MemoryInfo("MemAvailable");
  const auto gigabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  fmt::print(stderr, "needs {:.1f} GB of memory and {:.1f} GB below {}; {:.1f} and {:.1f} GB are free\n",
             gigabytes(needs.memory_bytes), gigabytes(needs.disk_bytes), workplace.checkpoints, gigabytes(memory),
             gigabytes(disk));
  if (memory < needs.memory_bytes) return Status::ResourceExhausted("there is too little memory free");
  if (!arguments.keep && disk < needs.disk_bytes)
    return Status::ResourceExhausted("there is too little space on the disk");
  return Status::Ok();
}

Status Append(std::vector<Row>& rows, const std::string& name, Result<Rows> measured, double started) {
  if (!measured.ok()) return measured.status().WithContext(name);
  fmt::print(stderr, "{}: {:.0f} s\n", name, Now() - started);
  for (Row& row : *measured) rows.push_back(std::move(row));
  return Status::Ok();
}

Status MeasureCheckpoint(const Arguments& arguments, const std::string& name, std::vector<Row>& rows) {
  std::vector<const CheckpointBenchmark*> wanted;
  for (const CheckpointBenchmark& benchmark : CheckpointBenchmarks()) {
    if (WantedOf(arguments, benchmark, name)) wanted.push_back(&benchmark);
  }
  if (wanted.empty() && !arguments.prepare) return Status::Ok();
  const double started = Now();
  SHARDFS_ASSIGN_OR_RETURN(const CheckpointCase checkpoint, PrepareCheckpoint(arguments.workplace, name));
  fmt::print(stderr, "{}: {:.2f} GB of source, {:.2f} GB of output: {:.0f} s to make\n", name,
             static_cast<double>(checkpoint.source_bytes) / 1e9, static_cast<double>(checkpoint.output_bytes) / 1e9,
             Now() - started);
  if (arguments.prepare) return Status::Ok();
  for (const CheckpointBenchmark* benchmark : wanted) {
    if (StopRequested()) return Stopped();
    const double begin = Now();
    SHARDFS_RETURN_IF_ERROR(Append(rows, fmt::format("{} of {}", benchmark->name, name),
                                   benchmark->measure(arguments.workplace, checkpoint), begin));
  }
  return arguments.keep ? Status::Ok() : RemoveCheckpoint(arguments.workplace, name);
}

Status MeasureAll(const Arguments& arguments, std::vector<Row>& rows) {
  for (const std::string& name : CheckpointNames()) {
    SHARDFS_RETURN_IF_ERROR(MeasureCheckpoint(arguments, name, rows));
  }
  for (const Benchmark& benchmark : OtherBenchmarks()) {
    if (!Wanted(arguments, benchmark.name) || arguments.prepare) continue;
    if (StopRequested()) return Stopped();
    const double begin = Now();
    SHARDFS_RETURN_IF_ERROR(Append(rows, benchmark.name, benchmark.measure(arguments.workplace), begin));
  }
  return Status::Ok();
}

Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file.good() ? Status::Ok() : Status::IoError("cannot write " + path);
}

Status WriteReport(const Arguments& arguments, const Report& report) {
  std::error_code error;
  fs::create_directories(arguments.out, error);
  const std::string table = TableText(report);
  fmt::print("{}", table);
  SHARDFS_RETURN_IF_ERROR(WriteFile(arguments.out + "/results.txt", table));
  SHARDFS_RETURN_IF_ERROR(WriteFile(arguments.out + "/results.json", JsonText(report)));
  SHARDFS_RETURN_IF_ERROR(WriteFile(arguments.out + "/results.svg", SvgText(report)));
  fmt::print("\n{0}/results.txt, {0}/results.json and {0}/results.svg have the same\n", arguments.out);
  return Status::Ok();
}

Status Run(const Arguments& arguments) {
  SHARDFS_RETURN_IF_ERROR(BlockStopSignals());
  std::error_code error;
  fs::create_directories(arguments.workplace.checkpoints, error);
  SHARDFS_RETURN_IF_ERROR(CheckMachine(arguments));
  Report report;
  report.facts = DescribeMachine(arguments.workplace.checkpoints);
  report.facts.emplace_back("rounds",
                            fmt::format("{} of what takes seconds, {} of the rest; values are medians, ratios "
                                        "medians of the rounds' ratios",
                                        arguments.workplace.rounds(), arguments.workplace.short_rounds()));
  const Status measured = MeasureAll(arguments, report.rows);
  if (arguments.prepare || (!measured.ok() && report.rows.empty())) return measured;
  const Status written = WriteReport(arguments, report);  // what there is, also where a later row has failed
  return measured.ok() ? written : measured;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures shardfs beside the limits of the machine; run.sh builds and starts this.");
  Arguments arguments;
  std::string programs;
  std::vector<std::string> names;
  for (const CheckpointBenchmark& benchmark : CheckpointBenchmarks()) names.emplace_back(benchmark.name);
  for (const Benchmark& benchmark : OtherBenchmarks()) names.emplace_back(benchmark.name);
  app.add_option("--shardfs", arguments.workplace.shardfs)->required();
  app.add_option("--make-checkpoint", arguments.workplace.make_checkpoint)->required();
  app.add_option("--scratch", arguments.workplace.scratch)->required();
  app.add_option("--checkpoints", arguments.workplace.checkpoints, "kept there for the next run");
  app.add_option("--out", arguments.out)->required();
  app.add_option("--only", arguments.only)->check(CLI::IsMember(names));
  app.add_option("--checkpoint", arguments.checkpoint)->check(CLI::IsMember(CheckpointNames()));
  app.add_flag("--full", arguments.workplace.full);
  app.add_flag("--prepare", arguments.prepare);
  CLI11_PARSE(app, argc, argv);
  const std::string own = fs::canonical("/proc/self/exe").parent_path();
  arguments.workplace.reader = own + "/bench_reader";
  arguments.workplace.null_fuse = own + "/null_fuse";
  arguments.keep = !arguments.workplace.checkpoints.empty();
  if (!arguments.keep) arguments.workplace.checkpoints = arguments.workplace.scratch + "/checkpoints";
  const Status status = Run(arguments);
  if (!status.ok()) fmt::print(stderr, "shardfs_bench: {}\n", status.message());
  return status.ok() ? 0 : status.code() == StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace
}  // namespace shardfs::bench

int main(int argc, char** argv) { return shardfs::bench::Main(argc, argv); }
