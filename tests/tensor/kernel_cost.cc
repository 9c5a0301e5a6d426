// kernel_cost: nanoseconds of each vector kernel for an element of its output, a line each: "NAME N.NN". On a machine
// whose clock counts instructions (qemu's -icount shift=0, a nanosecond each) that is instructions for an element,
// which can be compared among processors that are not at hand. tests/platforms/run.sh kernels does that.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string_view>
#include <tuple>
#include <vector>

#include "shardfs/tensor/cast_kernels.h"
#include "tensor/fp8_kernels.h"
#include "tensor/lora_kernels.h"
#include "tensor/transpose.h"

namespace shardfs {
namespace {

constexpr std::size_t kElements = 1 << 18;  // some milliseconds: the clock's steps do not count

template <typename Work>
void Measure(std::string_view name, std::size_t elements, const Work& work) {
  double least = std::numeric_limits<double>::max();
  for (int round = 0; round < 3; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const auto end = std::chrono::steady_clock::now();
    least = std::min(least, std::chrono::duration<double, std::nano>(end - begin).count());
  }
  std::printf("%.*s %.2f\n", static_cast<int>(name.size()), name.data(), least / static_cast<double>(elements));
}

void MeasureAll() {
  std::vector<std::byte> input(kElements * 4), output(kElements * 4);
  // Floats of ordinary size: 0x3c in the upper byte of each half.
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::byte>(i % 2 == 1 ? 0x3c : i * 37);
  const auto scale = [&](E4M3ScaleKernel kernel) { kernel(input.data(), 0.75f, output.data(), kElements); };
  Measure("FP8-to-BF16", kElements, [&] { scale(FindE4M3ScaleKernel()); });
  Measure("FP8-to-BF16-baseline", kElements, [&] { scale(FindBaselineE4M3ScaleKernel()); });
  for (const auto& [name, from, to] : {std::tuple("F32-to-BF16", Dtype::kF32, Dtype::kBF16),
                                       std::tuple("BF16-to-F32", Dtype::kBF16, Dtype::kF32),
                                       std::tuple("F16-to-F32", Dtype::kF16, Dtype::kF32),
                                       std::tuple("F32-to-F16", Dtype::kF32, Dtype::kF16)}) {
    Measure(name, kElements, [&, kernel = FindCastKernel(from, to)] { kernel(input.data(), output.data(), kElements); });
  }
  for (const std::uint64_t element : {1, 2}) {
    Measure(element == 1 ? "transpose-of-1-byte" : "transpose-of-2-bytes", kElements,
            [&] { TransposeTile(input.data(), 512 * element, output.data(), 512, kElements / 512, element); });
  }
  constexpr std::size_t kRank = 16;
  std::vector<float> rows(kLoraTileRows * kRank, 0.5f), columns(kRank * kLoraTileColumns, 0.25f);
  std::vector<float> sums(kLoraTileRows * kLoraTileColumns);
  constexpr std::size_t kTile = kLoraTileRows * kLoraTileColumns;
  for (const NamedLoraSumKernel& one : LoraSumKernels()) {
    char name[64];
    std::snprintf(name, sizeof name, "LoRA-of-rank-16-%.*s", static_cast<int>(one.name.size()), one.name.data());
    Measure(name, kElements, [&] {
      for (std::size_t i = 0; i < kElements; i += kTile) {
        one.kernel({rows.data(), kRank, kLoraTileRows}, columns.data(), kRank, sums.data(), kLoraTileColumns);
      }
    });
  }
}

}  // namespace
}  // namespace shardfs

int main() {
  shardfs::MeasureAll();
  return 0;
}
