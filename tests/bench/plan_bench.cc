// What one thread assembles from a mapped source in memory, for the cuts that DeepSeek's tensors need, beside memcpy of
// as many bytes. Reads are of 1 MiB, as the kernel's largest requests are.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>

#include "shardfs/tensor/read_plan.h"
#include "tensor/memory_source.h"

namespace shardfs {
namespace {

constexpr std::size_t kSourceBytes = std::size_t{256} << 20;  // larger than any cache
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

const testing::MemorySource& Source() {
  static const testing::MemorySource source = [] {
    std::vector<std::byte> bytes(kSourceBytes);
    // Floats of ordinary size, so that conversions take their usual way: 0x3c in the upper byte of each half.
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 2 == 1 ? 0x3c : i * 37);
    return testing::MemorySource(std::move(bytes), true);
  }();
  return source;
}

void ReadWhole(benchmark::State& state, const TensorPtr& tensor) {
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
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kReadBytes));
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
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kReadBytes));
}
BENCHMARK(Memcpy);

// Rows of range(0) bytes out of rows four times as long: down_proj by moe_tp 4.
void Rows(benchmark::State& state) {
  const auto row = static_cast<std::uint64_t>(state.range(0));
  const TensorPtr matrix = Whole(Dtype::kI8, {kSourceBytes / (4 * row), 4 * row});
  ReadWhole(state, Tensor::Slice(matrix, 1, row, 2 * row).value());
}
BENCHMARK(Rows)->Arg(512)->Arg(2048)->Arg(7168);

// v_b_proj: the value rows of each head, transposed: [heads, kv_lora_rank, v] of 2-byte elements.
void Transpose(benchmark::State& state) {
  constexpr std::uint64_t kNope = 128, kV = 128, kRank = 512;
  constexpr std::uint64_t kHeads = kSourceBytes / 2 / (kNope + kV) / kRank;
  const TensorPtr heads = Whole(Dtype::kBF16, {kHeads, kNope + kV, kRank});
  ReadWhole(state, Tensor::Permute(Tensor::Slice(heads, 1, kNope, kNope + kV).value(), {0, 2, 1}).value());
}
BENCHMARK(Transpose);

// W4A8 experts: [K, n] bytes of an [n, K] matrix.
void TransposeBytes(benchmark::State& state) {
  const TensorPtr matrix = Whole(Dtype::kI8, {kSourceBytes / (512 * 7168), 512, 7168});
  ReadWhole(state, Tensor::Permute(matrix, {0, 2, 1}).value());
}
BENCHMARK(TransposeBytes);

void Cast(benchmark::State& state) {
  const auto from = static_cast<Dtype>(state.range(0));
  const auto to = static_cast<Dtype>(state.range(1));
  ReadWhole(state, Tensor::Cast(Whole(from, {kSourceBytes / DtypeBytes(from)}), to).value());
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

}  // namespace
}  // namespace shardfs
