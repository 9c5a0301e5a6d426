// What one thread assembles from a mapped source in memory, for the cuts that DeepSeek's tensors need, beside memcpy.
//
// Both read a source of 256 MiB that was written beforehand from end to end, so that it comes from memory and not from
// a cache, and write into one buffer of 1 MiB, touched and used again for each read, as a reply to the kernel is (its
// largest requests are of 1 MiB): it stays in the L2 cache, and no page fault is part of any figure.
// bytes_per_second counts output bytes. larger_side counts the input's where those are more: what narrows a dtype has
// to read twice what it writes, so memcpy of as many output bytes would be a bound that even a free conversion could
// only reach half of. The ratio that speaks of the kernel is larger_side over Memcpy's.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "shardfs/tensor/read_plan.h"
#include "tensor/memory_source.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/to_integers.h"

namespace shardfs {
namespace {

constexpr std::size_t kSourceBytes = std::size_t{256} << 20;  // larger than any cache
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::uint64_t kHidden = 7168;

const testing::MemorySource& Source() {
  static const testing::MemorySource source = [] {
    std::vector<std::byte> bytes(kSourceBytes);
    // Floats of ordinary size, so that conversions take their usual way: 0x3c in the upper byte of each half.
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 2 == 1 ? 0x3c : i * 37);
    return testing::MemorySource(std::move(bytes), true);
  }();
  return source;
}

void Report(benchmark::State& state, double input_per_output) {
  const double output = static_cast<double>(state.iterations()) * static_cast<double>(kReadBytes);
  state.SetBytesProcessed(static_cast<std::int64_t>(output));
  state.counters["larger_side"] = benchmark::Counter(output * std::max(1.0, input_per_output),
                                                     benchmark::Counter::kIsRate, benchmark::Counter::OneK::kIs1024);
}

void ReadWhole(benchmark::State& state, const TensorPtr& tensor, double input_per_output = 1) {
  const ReadPlan plan = LowerToPlan(tensor).value();
  std::vector<std::byte> buffer(kReadBytes);
  std::uint64_t offset = 0;
  for (auto _ : state) {
    if (offset + kReadBytes > plan.size()) offset = 0;
    const Status status = plan.ReadAt(offset, buffer);
    if (!status.ok()) state.SkipWithError("read failed");
    benchmark::DoNotOptimize(buffer.data());
    offset += kReadBytes;
  }
  Report(state, input_per_output);
}

TensorPtr Whole(Dtype dtype, Shape shape) { return Tensor::Source(&Source(), 0, dtype, std::move(shape)).value(); }

void Memcpy(benchmark::State& state) {
  std::vector<std::byte> buffer(kReadBytes);
  std::size_t offset = 0;
  for (auto _ : state) {
    if (offset + kReadBytes > kSourceBytes) offset = 0;
    std::memcpy(buffer.data(), Source().bytes().data() + offset, kReadBytes);
    benchmark::DoNotOptimize(buffer.data());
    offset += kReadBytes;
  }
  Report(state, 1);
}
BENCHMARK(Memcpy);

// Rows of range(0) bytes out of rows four times as long: down_proj by moe_tp 4.
void Rows(benchmark::State& state) {
  const auto row = static_cast<std::uint64_t>(state.range(0));
  const TensorPtr matrix = Whole(Dtype::kI8, {kSourceBytes / (4 * row), 4 * row});
  ReadWhole(state, Tensor::Slice(matrix, 1, row, 2 * row).value());
}
BENCHMARK(Rows)->Arg(512)->Arg(2048)->Arg(7168);

// The value rows of kv_b_proj's heads, transposed: [heads, kv_lora_rank, v] of 2-byte elements.
TensorPtr ValueHeads() {
  constexpr std::uint64_t kNope = 128, kV = 128, kRank = 512;
  constexpr std::uint64_t kHeads = kSourceBytes / 2 / (kNope + kV) / kRank;
  const TensorPtr heads = Whole(Dtype::kBF16, {kHeads, kNope + kV, kRank});
  return Tensor::Permute(Tensor::Slice(heads, 1, kNope, kNope + kV).value(), {0, 2, 1}).value();
}

void VBProj(benchmark::State& state) { ReadWhole(state, ValueHeads()); }
BENCHMARK(VBProj);

void VBProjAsF16(benchmark::State& state) { ReadWhole(state, ops::Cast(ValueHeads(), Dtype::kF16).value()); }
BENCHMARK(VBProjAsF16);

// W4A8's down_proj: [E, rows, hidden] transposed to [E, hidden, rows], of bytes.
void TransposeBytes(benchmark::State& state) {
  const auto rows = static_cast<std::uint64_t>(state.range(0));
  const TensorPtr matrix = Whole(Dtype::kI8, {kSourceBytes / (rows * kHidden), rows, kHidden});
  ReadWhole(state, Tensor::Permute(matrix, {0, 2, 1}).value());
}
BENCHMARK(TransposeBytes)->Arg(256)->Arg(512);

// W4A8's gate_up_proj by moe_tp 4: 256 packed rows of gate and of up per expert, the stack transposed, so that each
// output row is 256 bytes of one and 256 of the other. Between an expert's two tensors lies its down_proj.
void W4A8GateUp(benchmark::State& state) {
  constexpr std::uint64_t kRows = 256;
  constexpr std::uint64_t kTensor = kRows * kHidden;
  std::vector<TensorPtr> experts;
  for (std::uint64_t at = 0; at + 3 * kTensor <= kSourceBytes; at += 3 * kTensor) {
    TensorPtr gate = Tensor::Source(&Source(), at, Dtype::kI8, {kRows, kHidden}).value();
    TensorPtr up = Tensor::Source(&Source(), at + 2 * kTensor, Dtype::kI8, {kRows, kHidden}).value();
    experts.push_back(Tensor::Concat({std::move(gate), std::move(up)}, 0).value());
  }
  ReadWhole(state, Tensor::Permute(Tensor::Stack(std::move(experts), 0).value(), {0, 2, 1}).value());
}
BENCHMARK(W4A8GateUp);

void Cast(benchmark::State& state) {
  const auto from = static_cast<Dtype>(state.range(0));
  const auto to = static_cast<Dtype>(state.range(1));
  const TensorPtr cast = ops::Cast(Whole(from, {kSourceBytes / DtypeBytes(from)}), to).value();
  ReadWhole(state, cast, static_cast<double>(DtypeBytes(from)) / static_cast<double>(DtypeBytes(to)));
  state.SetLabel(std::string(DtypeName(from)) + " to " + std::string(DtypeName(to)));
}
void FloatPairs(benchmark::internal::Benchmark* bench) {
  for (const Dtype from : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    for (const Dtype to : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
      if (from != to) bench->Args({static_cast<std::int64_t>(from), static_cast<std::int64_t>(to)});
    }
  }
}
BENCHMARK(Cast)->Apply(FloatPairs);

// Scales whose bits become I64: deq_scale, and W4A8's weight_scale.
void ScaleBits(benchmark::State& state) {
  ReadWhole(state, ops::F32BitsToI64(Whole(Dtype::kF32, {kSourceBytes / 4})).value());
}
BENCHMARK(ScaleBits);

void ScaleRoundedBits(benchmark::State& state) {
  const auto from = static_cast<Dtype>(state.range(0));
  ReadWhole(state, ops::F16RoundedBitsToI64(Whole(from, {kSourceBytes / DtypeBytes(from)})).value());
  state.SetLabel(std::string(DtypeName(from)));
}
BENCHMARK(ScaleRoundedBits)->Arg(static_cast<int>(Dtype::kF32))->Arg(static_cast<int>(Dtype::kBF16));

// W4A8's scales by groups: each row's scale times those of its 28 groups of 256 inputs, rounded, as I64.
void GroupScale(benchmark::State& state) {
  constexpr std::uint64_t kGroups = 28;
  constexpr std::uint64_t kRows = kSourceBytes / 2 / 4 / kGroups;
  const TensorPtr row = Tensor::Source(&Source(), 0, Dtype::kF32, {kRows, 1}).value();
  const TensorPtr group = Tensor::Source(&Source(), kSourceBytes / 2, Dtype::kF32, {kRows, kGroups}).value();
  const TensorPtr repeated = Tensor::RowGather(row, 1, std::vector<std::uint64_t>(kGroups, 0)).value();
  ReadWhole(state, ops::F16RoundedBitsToI64(ops::Multiply(repeated, group).value()).value());
}
BENCHMARK(GroupScale);

// W4A8's bias: the sum over 16 columns, of which each is added as a tensor of its own.
void ColumnSum(benchmark::State& state) {
  constexpr std::uint64_t kColumns = 16;
  constexpr std::uint64_t kRows = kSourceBytes / 4 / kColumns;
  const TensorPtr matrix = Whole(Dtype::kF32, {kRows, kColumns});
  TensorPtr sum;
  for (std::uint64_t column = 0; column < kColumns; ++column) {
    TensorPtr addend = Tensor::Slice(matrix, 1, column, column + 1).value();
    sum = sum == nullptr ? addend : ops::Add(std::move(sum), std::move(addend)).value();
  }
  ReadWhole(state, sum, kColumns);
}
BENCHMARK(ColumnSum);

}  // namespace
}  // namespace shardfs
