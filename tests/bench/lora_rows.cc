// What one process reads of a mount with a LoRA adapter in front of the files, beside the same mount without one: each
// weight of the checkpoint is changed by an adapter of rank 16, as `--lora` shows the projections of a large model.
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "bench/benchmarks.h"
#include "bench/copies.h"
#include "bench/memory.h"
#include "bench/mounts.h"
#include "bench/process.h"
#include "bench/reader.h"
#include "bench/statistics.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRows = 8192, kColumns = 4096, kRank = 16, kWeights = 12;  // 64 MiB each

// A safetensors file of elements of ordinary size: 0x3c is the upper byte of each half, as in kernel_rows.cc.
Status WriteFile(const fs::path& path, const std::vector<NewTensor>& tensors) {
  SHARDFS_ASSIGN_OR_RETURN(const SerializedHeader header, SerializeHeader(tensors));
  std::array<char, 1 << 16> piece;
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>(i % 2 == 1 ? 0x3c : i * 37);
  std::ofstream file(path, std::ios::binary);
  file << header.bytes;
  for (std::uint64_t left = header.file_size - header.bytes.size(); left > 0;) {
    const std::uint64_t bytes = std::min<std::uint64_t>(left, piece.size());
    file.write(piece.data(), static_cast<std::streamsize>(bytes));
    left -= bytes;
  }
  return file.flush() ? Status::Ok() : Status::IoError("cannot write " + path.string());
}

Status WriteSources(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory / "base", error);
  fs::create_directories(directory / "adapter", error);
  if (error) return Status::IoError("cannot make " + directory.string() + ": " + error.message());
  std::vector<NewTensor> weights, factors;
  for (std::uint64_t i = 0; i < kWeights; ++i) {
    const std::string module = fmt::format("model.layers.{}.mlp.up_proj", i);
    weights.push_back({module + ".weight", Dtype::kBF16, {kRows, kColumns}});
    factors.push_back({"base_model.model." + module + ".lora_A.weight", Dtype::kF32, {kRank, kColumns}});
    factors.push_back({"base_model.model." + module + ".lora_B.weight", Dtype::kF32, {kRows, kRank}});
  }
  SHARDFS_RETURN_IF_ERROR(WriteFile(directory / "base/model.safetensors", weights));
  SHARDFS_RETURN_IF_ERROR(WriteFile(directory / "adapter/adapter_model.safetensors", factors));
  std::ofstream(directory / "adapter/adapter_config.json")
      << fmt::format(R"({{"peft_type": "LORA", "r": {}, "lora_alpha": 32}})", kRank);
  return Status::Ok();
}

}  // namespace

Result<Rows> MeasureLora(const Workplace& workplace) {
  const fs::path directory = fs::path(workplace.checkpoints) / "lora";
  SHARDFS_RETURN_IF_ERROR(WriteSources(directory));
  const auto read = [&](bool with_adapter) -> Result<double> {
    std::vector<std::string> arguments = {workplace.shardfs, "mount", directory / "base", "--layout", "huggingface"};
    if (with_adapter) arguments.insert(arguments.end(), {"--lora", directory / "adapter"});
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, FuseMount::Start(workplace.scratch, std::move(arguments)));
    TouchMemory(kWeights * kRows * kColumns * 2);
    SHARDFS_ASSIGN_OR_RETURN(const ReadResult result,
                             ReadFiles(workplace.reader, ReadMode::kBuffered, {{mount.path() + "/model.safetensors"}}));
    return GigabytesPerSecond(result.bytes, result.seconds);
  };
  SHARDFS_RETURN_IF_ERROR(WarmFiles({directory / "base/model.safetensors"}));
  const auto values = Interleave(workplace.short_rounds(), {[&] { return read(true); }, [&] { return read(false); }});
  std::error_code error;
  fs::remove_all(directory, error);
  SHARDFS_RETURN_IF_ERROR(values.status());
  Row row;
  row.name = "read with a LoRA adapter of rank 16, fresh mount";
  row.against = "the same without the adapter";
  row.unit = "GB/s";
  row.ours = (*values)[0];
  row.reference = (*values)[1];
  return Rows{row};
}

}  // namespace shardfs::bench
