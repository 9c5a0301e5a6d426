// What one thread assembles from a mapped source in memory, beside memcpy of as many bytes. Reads are of 1 MiB. What is
// counted is bytes of output; of a cast that narrows, bytes of input, because it must read them all.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "bench/benchmarks.h"
#include "bench/process.h"
#include "bench/statistics.h"
#include "bench/stop_request.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/memory_source.h"
#include "tensor/ops/block_scale.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/lora_add.h"

namespace shardfs::bench {
namespace {

constexpr std::size_t kSourceBytes = std::size_t{256} << 20;  // larger than any cache
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::size_t kReads = 192;  // to a measurement: about 20 to 100 ms

struct Kernel {
  std::string name;
  TensorPtr tensor;
  double target;
  std::size_t counted = 1;  // bytes to each one of output
};

shardfs::testing::MemorySource MakeSource() {
  std::vector<std::byte> bytes(kSourceBytes);
  // Floats of ordinary size, so that conversions take their usual way: 0x3c in the upper byte of each half.
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 2 == 1 ? 0x3c : i * 37);
  return {std::move(bytes), true};
}

TensorPtr Whole(const ByteSource& source, Dtype dtype, Shape shape) {
  return Tensor::Source(&source, 0, dtype, std::move(shape)).value();
}

// Rows of `row` bytes out of rows `parts` times as long: o_proj and down_proj, cut by tp and moe_tp.
Kernel Rows(const ByteSource& source, const char* what, std::uint64_t row, std::uint64_t parts, double target) {
  const TensorPtr matrix = Whole(source, Dtype::kI8, {kSourceBytes / (parts * row), parts * row});
  return {fmt::format("rows of {} B ({})", row, what), Tensor::Slice(matrix, 1, row, 2 * row).value(), target};
}

Kernel Cast(const ByteSource& source, Dtype from, Dtype to) {
  const TensorPtr whole = Whole(source, from, {kSourceBytes / DtypeBytes(from)});
  return {fmt::format("cast of {} to {}", DtypeName(from), DtypeName(to)), ops::Cast(whole, to).value(), 0.5,
          std::max(DtypeBytes(from), DtypeBytes(to)) / DtypeBytes(to)};
}

// E4M3 codes in blocks of 128 x 128, as DeepSeek-V3's experts are, whole and as the columns of a down_proj.
TensorPtr Dequantised(const ByteSource& source) {
  constexpr std::uint64_t kColumns = 7168;
  constexpr std::uint64_t kRows = kSourceBytes / 2 / kColumns;
  const TensorPtr codes = Whole(source, Dtype::kF8E4M3, {kRows, kColumns});
  const Shape blocks = {(kRows + 127) / 128, kColumns / 128};
  const TensorPtr scales = Tensor::Source(&source, kRows * kColumns, Dtype::kF32, blocks).value();
  return ops::BlockScale(codes, scales, {128, 128}, [] {}).value();  // NaN codes are looked for, as dequantize does
}

// A BF16 weight of 8192 columns with an F32 adapter of rank `rank` added, as `--lora` shows q_proj of a 70B model.
TensorPtr Merged(const ByteSource& source, std::uint64_t rank) {
  constexpr std::uint64_t kColumns = 8192;
  constexpr std::uint64_t kRows = kSourceBytes / 2 / kColumns;
  const TensorPtr b = Tensor::Source(&source, 0, Dtype::kF32, {kRows, rank}).value();
  const TensorPtr a = Tensor::Source(&source, kSourceBytes / 2, Dtype::kF32, {rank, kColumns}).value();
  const TensorPtr weight = Whole(source, Dtype::kBF16, {kRows, kColumns});
  return ops::LoraAdd(weight, {b, a, {LoraAxis::kRowsOfB, LoraAxis::kColumnsOfA}, 2.0f}).value();
}

std::vector<Kernel> Kernels(const ByteSource& source) {
  constexpr std::uint64_t kNope = 128, kV = 128, kRank = 512;
  constexpr std::uint64_t kHeads = kSourceBytes / 2 / (kNope + kV) / kRank;
  const TensorPtr heads = Whole(source, Dtype::kBF16, {kHeads, kNope + kV, kRank});
  const TensorPtr values = Tensor::Slice(heads, 1, kNope, kNope + kV).value();
  const TensorPtr experts = Whole(source, Dtype::kI8, {kSourceBytes / (512 * 7168), 512, 7168});
  return {
      Rows(source, "o_proj of W8A8 by tp 8", 2048, 8, 0.5),
      Rows(source, "down_proj of W8A8 by moe_tp 4", 512, 4, 0.5),
      {"transpose of 2-byte elements (v_b_proj)", Tensor::Permute(values, {0, 2, 1}).value(), 0.4},
      {"transpose of 1-byte elements (W4A8 experts)", Tensor::Permute(experts, {0, 2, 1}).value(), 0.3},
      Cast(source, Dtype::kF32, Dtype::kBF16),
      Cast(source, Dtype::kBF16, Dtype::kF32),
      Cast(source, Dtype::kF16, Dtype::kF32),
      Cast(source, Dtype::kF32, Dtype::kF16),
      Cast(source, Dtype::kF16, Dtype::kBF16),
      Cast(source, Dtype::kBF16, Dtype::kF16),
      {"FP8 in blocks to BF16", Dequantised(source), 0.5},
      {"FP8 in blocks to BF16, a quarter of the columns", Tensor::Slice(Dequantised(source), 1, 1792, 3584).value(),
       0.35},
      {"LoRA of rank 16 on BF16", Merged(source, 16), 0.15},
      {"LoRA of rank 16 on BF16, a quarter of the columns", Tensor::Slice(Merged(source, 16), 1, 2048, 4096).value(),
       0.15},
      {"LoRA of rank 64 on BF16", Merged(source, 64), 0.05},
  };
}

// kReads calls of `read(offset)` of `bytes` each, going round in `size` bytes and starting where the last measurement
// ended. GB/s.
class Reader {
 public:
  template <typename Read>
  Result<double> Time(std::uint64_t size, std::size_t bytes, const Read& read) {
    if (StopRequested()) return Stopped();
    const double start = Now();
    for (std::size_t i = 0; i < kReads; ++i) {
      if (offset_ + bytes > size) offset_ = 0;
      SHARDFS_RETURN_IF_ERROR(read(offset_));
      offset_ += bytes;
    }
    return static_cast<double>(kReads * bytes) / (Now() - start) / 1e9;
  }

 private:
  std::uint64_t offset_ = 0;
};

Result<Row> MeasureKernel(const Workplace& workplace, const shardfs::testing::MemorySource& source,
                          const Kernel& kernel) {
  SHARDFS_ASSIGN_OR_RETURN(const ReadPlan plan, LowerToPlan(kernel.tensor));
  std::vector<std::byte> buffer(kReadBytes), copied(kReadBytes * kernel.counted);
  Reader ours, reference;
  const Measurement assemble = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const double rate, ours.Time(plan.size(), kReadBytes,
                                                          [&](std::uint64_t at) { return plan.ReadAt(at, buffer); }));
    return rate * static_cast<double>(kernel.counted);
  };
  const Measurement copy = [&] {
    return reference.Time(kSourceBytes, copied.size(), [&](std::uint64_t offset) {
      std::memcpy(copied.data(), source.bytes().data() + offset, copied.size());
      asm volatile("" : : "r"(copied.data()) : "memory");  // the copy is never looked at
      return Status::Ok();
    });
  };
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.short_rounds(), {assemble, copy}));
  Row row;
  row.name = kernel.name;
  row.against = "memcpy of as many bytes, one thread";
  row.unit = "GB/s";
  row.ours = values[0];
  row.reference = values[1];
  row.target = Target{Bound::kRatioAtLeast, kernel.target};
  return row;
}

}  // namespace

Result<std::vector<Row>> MeasureKernels(const Workplace& workplace) {
  const shardfs::testing::MemorySource source = MakeSource();
  std::vector<Row> rows;
  for (const Kernel& kernel : Kernels(source)) {
    SHARDFS_ASSIGN_OR_RETURN(Row row, MeasureKernel(workplace, source, kernel));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace shardfs::bench
