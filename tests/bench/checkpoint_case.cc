#include "bench/checkpoint_case.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "bench/process.h"

namespace shardfs::bench {
namespace {

namespace fs = std::filesystem;

// Layers before the fourth cannot have experts, and 3 dense ones of full width would be most of the checkpoint: they
// and the vocabulary are narrowed, which leaves the length of every row as it is.
const std::vector<std::string> kDeepSeekShape = {
    "--layers", "4", "--first-k-dense", "3", "--mtp-layers", "0", "--intermediate", "4096", "--vocab", "16160"};

const std::vector<std::string> kDeepSeekLayout = {"--dp", "2",        "--tp", "8",       "--moe-tp",
                                                  "4",    "--moe-ep", "4",    "--no-mtp"};
const std::vector<std::string> kRankCutShape = {"--layers", "3", "--vocab", "16160"};
const std::vector<std::string> kRankCutLayout = {"--layout", "rank-cut", "--preset", "deepseek-moe-16b", "--tp", "8"};

struct Preset {
  const char* name;
  const char* preset;
  int experts, experts_full;
  const std::vector<std::string>& shape;
  const std::vector<std::string>& layout;
};
const Preset kPresets[] = {{"bf16", "deepseek-v3", 20, 44, kDeepSeekShape, kDeepSeekLayout},
                           {"w8a8", "deepseek-r1-w8a8", 64, 112, kDeepSeekShape, kDeepSeekLayout},
                           {kRankCutCheckpoint, "deepseek-moe-16b", 64, 64, kRankCutShape, kRankCutLayout}};

// Source, finished directory: quick, full. Rounded up; the larger of both presets.
constexpr std::uint64_t kSourceBytes[] = {4'450'000'000, 6'700'000'000};
constexpr std::uint64_t kOutputBytes[] = {5'500'000'000, 7'800'000'000};

Status WriteBack(const std::string& directory) {
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.valid() || ::syncfs(file.get()) != 0) return Status::FromErrno(errno, "cannot sync " + directory);
  return Status::Ok();
}

// Nothing of a case counts until this file is there.
std::string MarkOf(const std::string& directory) { return directory + "/complete"; }

Status Make(const Workplace& workplace, const Preset& preset, const std::string& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  fs::create_directories(directory, error);
  if (error) return Status::IoError("cannot make " + directory + ": " + error.message());
  std::vector<std::string> make = {workplace.make_checkpoint,
                                   directory + "/source",
                                   "--preset",
                                   preset.preset,
                                   "--files",
                                   "8",
                                   "--experts",
                                   std::to_string(workplace.full ? preset.experts_full : preset.experts)};
  make.insert(make.end(), preset.shape.begin(), preset.shape.end());
  SHARDFS_RETURN_IF_ERROR(RunProcess(make).status());
  std::vector<std::string> materialize = {workplace.shardfs, "materialize", directory + "/source",
                                          directory + "/finished"};
  materialize.insert(materialize.end(), preset.layout.begin(), preset.layout.end());
  SHARDFS_RETURN_IF_ERROR(RunProcess(materialize).status());
  // Or what is written back later takes its share of the machine from what is measured.
  SHARDFS_RETURN_IF_ERROR(WriteBack(directory));
  const FileDescriptor mark(::open(MarkOf(directory).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  return mark.valid() ? Status::Ok() : Status::FromErrno(errno, "cannot write " + MarkOf(directory));
}

// What `shardfs plan --json` says of the files.
Status ReadPlan(const Workplace& workplace, CheckpointCase& checkpoint) {
  std::vector<std::string> plan = {workplace.shardfs, "plan", checkpoint.source, "--json"};
  plan.insert(plan.end(), checkpoint.layout.begin(), checkpoint.layout.end());
  SHARDFS_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess(plan));
  try {
    const auto json = nlohmann::json::parse(result.out);
    for (const auto& entry : json.at("entries")) {
      if (entry.at("type") != "file") continue;
      OutputFile file;
      file.path = entry.at("path").get<std::string>();
      file.bytes = entry.at("bytes").get<std::uint64_t>();
      file.ranks = entry.at("ranks").get<std::vector<std::uint64_t>>();
      if (const auto slash = file.path.find('/'); slash != std::string::npos) file.folder = file.path.substr(0, slash);
      checkpoint.output_bytes += file.bytes;
      checkpoint.files.push_back(std::move(file));
    }
  } catch (const nlohmann::json::exception& error) {
    return Status::IoError(fmt::format("shardfs plan --json of {}: {}", checkpoint.source, error.what()));
  }
  std::sort(checkpoint.files.begin(), checkpoint.files.end(),
            [](const OutputFile& a, const OutputFile& b) { return a.path < b.path; });
  return Status::Ok();
}

}  // namespace

std::vector<std::string> CheckpointNames() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) {
    if (preset.name != std::string_view(kRankCutCheckpoint)) names.emplace_back(preset.name);
  }
  return names;
}

Result<CheckpointCase> PrepareCheckpoint(const Workplace& workplace, const std::string& name) {
  const auto* preset = std::find_if(std::begin(kPresets), std::end(kPresets), [&](auto& p) { return p.name == name; });
  if (preset == std::end(kPresets)) return Status::InvalidArgument("there is no checkpoint " + name);
  const std::string directory = workplace.checkpoints + "/" + name + (workplace.full ? "-full" : "");
  if (!fs::exists(MarkOf(directory))) SHARDFS_RETURN_IF_ERROR(Make(workplace, *preset, directory));
  CheckpointCase checkpoint;
  checkpoint.name = name;
  checkpoint.source = directory + "/source";
  checkpoint.layout = preset->layout;
  checkpoint.finished = directory + "/finished";
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoint.source, error)) {
    if (entry.path().extension() != ".safetensors") continue;
    checkpoint.source_files.push_back(entry.path());
    checkpoint.source_bytes += entry.file_size();
  }
  std::sort(checkpoint.source_files.begin(), checkpoint.source_files.end());
  SHARDFS_RETURN_IF_ERROR(ReadPlan(workplace, checkpoint));
  return checkpoint;
}

Status RemoveCheckpoint(const Workplace& workplace, const std::string& name) {
  std::error_code error;
  fs::remove_all(workplace.checkpoints + "/" + name + (workplace.full ? "-full" : ""), error);
  return error ? Status::IoError("cannot remove the checkpoint " + name + ": " + error.message()) : Status::Ok();
}

Needs NeedsOf(const Workplace& workplace) {
  const std::uint64_t source = kSourceBytes[workplace.full], output = kOutputBytes[workplace.full];
  constexpr std::uint64_t kPrograms = 1'500'000'000;  // of the benchmark, and what a kernel needs free to work well
  // On disk: one case at a time and the headers of the checkpoint at true scale. In memory: the source and the finished
  // directory, both in the page cache, and a copy in tmpfs.
  return {source + output + 1'000'000'000, source + 2 * output + kPrograms};
}

Sample SampleOf(const CheckpointCase& checkpoint, std::uint64_t most_bytes) {
  std::vector<std::string> folders;
  for (const OutputFile& file : checkpoint.files) {
    if (!file.folder.empty() && (folders.empty() || folders.back() != file.folder)) folders.push_back(file.folder);
  }
  // Folders of a kind are neighbours and alike, so every n-th has each kind in its proportion.
  for (std::size_t step = 1;; ++step) {
    Sample sample;
    for (std::size_t i = 0; i < folders.size(); i += step) sample.folders.push_back(folders[i]);
    for (const OutputFile& file : checkpoint.files) {
      if (std::binary_search(sample.folders.begin(), sample.folders.end(), file.folder)) {
        sample.files.push_back(file.path);
        sample.bytes += file.bytes;
      }
    }
    if (sample.bytes <= most_bytes || sample.folders.size() <= 1) return sample;
  }
}

std::vector<std::string> Below(const std::string& directory, const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  for (const std::string& name : names) paths.push_back(directory + "/" + name);
  return paths;
}

}  // namespace shardfs::bench
