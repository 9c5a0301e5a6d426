// F19: hostile headers and indices of the largest size. Whatever they hold, the answer comes within 4 times the
// processor time that a harmless one of that size takes in the same run, and within 4 times their size of memory, the
// bytes themselves included.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "format/safetensors/header_bytes.h"
#include "format/safetensors/header_limits.h"
#include "sanitizers/sanitized.h"
#include "shardfs/checkpoint/safetensors_directory.h"
#include "checkpoint/checkpoint_index.h"
#include "source/scratch_directory.h"
#include "checkpoint/shard_reader.h"
#include "tools/allocations.h"
#include "tools/processor_time.h"

namespace shardfs::testing {
namespace {

// Nothing is said of time where sanitizers or a debugger's build multiply it.
#ifdef __OPTIMIZE__
constexpr bool kTimed = !kSanitized;
#else
constexpr bool kTimed = false;
#endif

constexpr std::size_t kHeaderBytes = 99'000'000;
constexpr std::size_t kIndexBytes = 127'000'000;

constexpr int kRuns = kTimed ? 2 : 1;

Result<Header> ParseHeaderOf(const std::string& bytes, std::uint64_t data_bytes) {
  return ParseHeader(std::as_bytes(std::span(bytes)), bytes.size() + data_bytes, "hostile");
}

// The processor time that a header of that size takes which a checkpoint could have: tensors with names as long as they
// are, of two dimensions, one behind the other.
double SecondsOfAHarmlessHeader(std::size_t size) {
  std::string json = "{";
  json.reserve(size + 200);
  std::uint64_t place = 0;
  for (int i = 0; json.size() < size; ++i, place += 128) {
    json += fmt::format(R"("model.layers.{}.mlp.experts.{}.down_proj.weight":{{"dtype":"BF16","shape":[8,8],)"
                        R"("data_offsets":[{},{}]}},)",
                        i / 256, i % 256, place, place + 128);
  }
  json.back() = '}';
  const std::string bytes = HeaderBytes(json);
  return LeastSeconds(CLOCK_THREAD_CPUTIME_ID, kRuns, [&] { EXPECT_TRUE(ParseHeaderOf(bytes, place).ok()); });
}

// The same of an index.
double SecondsOfAHarmlessIndex(std::size_t size) {
  std::string json = "{\"weight_map\":{";
  json.reserve(size + 200);
  for (int i = 0; json.size() < size; ++i) {
    json += fmt::format(R"("language_model.model.transformer.decoder.layers.{}.mlp.block_sparse_moe.experts.{}.)"
                        R"(down_proj.weight":"model-{:05}-of-00163.safetensors",)",
                        i / 256, i % 256, i % 163 + 1);
  }
  json.back() = '}';
  json += '}';
  return LeastSeconds(CLOCK_THREAD_CPUTIME_ID, kRuns, [&] {
    const auto index = ParseCheckpointIndex(json, "harmless");
    EXPECT_TRUE(index.ok()) << index.status();
  });
}

// `parse` of a document of `bytes` bytes, which the caller holds, against what `seconds_of_a_harmless_one` of that size
// takes.
template <typename Value>
void ExpectBounded(std::size_t bytes, StatusCode code, const std::function<Result<Value>()>& parse,
                   double (*seconds_of_a_harmless_one)(std::size_t)) {
  ResetPeak();
  const std::size_t before = LiveBytes();
  const double seconds = LeastSeconds(CLOCK_THREAD_CPUTIME_ID, kRuns, [&] {
    const Result<Value> result = parse();
    EXPECT_EQ(result.status().code(), code) << result.status();
    EXPECT_LT(result.status().message().size(), 1000u);
  });
  const std::size_t peak = PeakBytes() - before;
  EXPECT_LT(peak, 3 * bytes);
  fmt::print("{:.0f} MB: {:.2f} times its size in memory", static_cast<double>(bytes) / 1e6,
             1 + static_cast<double>(peak) / static_cast<double>(bytes));
  if (kTimed) {
    const double harmless = seconds_of_a_harmless_one(bytes);
    EXPECT_LT(seconds, 4 * harmless);
    fmt::print(", {:.2f} times the processor time of a harmless one ({:.2f} s)", seconds / harmless, harmless);
  }
  fmt::print("\n");
}

void ExpectHeaderBounded(const std::string& json, StatusCode code) {
  const std::string bytes = HeaderBytes(json);
  ExpectBounded<Header>(
      bytes.size(), code, [&] { return ParseHeaderOf(bytes, 1000); }, SecondsOfAHarmlessHeader);
}

void ExpectIndexBounded(const std::string& json, StatusCode code) {
  const auto parse = [&] { return ParseCheckpointIndex(json, "hostile"); };
  ExpectBounded<CheckpointIndex>(json.size(), code, parse, SecondsOfAHarmlessIndex);
}

// {<begin>0<middle>,<begin>1<middle>,...} up to `size` bytes.
std::string Repeated(std::size_t size, const std::string& begin, const std::string& middle) {
  std::string json = "{";
  json.reserve(size + begin.size() + middle.size() + 100);
  for (std::size_t i = 0; json.size() < size; ++i) {
    json += begin;
    json += std::to_string(i);
    json += middle;
    json += ',';
  }
  json.back() = '}';
  return json;
}

TEST(FaultF19, MillionsOfTinyTensors) {
  ExpectHeaderBounded(Repeated(kHeaderBytes, "\"", R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})"),
                      StatusCode::kNotSupported);
}

// As little text as tensors can have, and one more of them than a power of two: entries in a vector that doubles would
// take more than is allowed just then.
TEST(FaultF19, TinyTensorsOfTheWorstNumber) {
  std::string json = "{";
  for (std::size_t i = 0; i <= kMaxTensors / 2; ++i) {
    json += fmt::format(R"("{:x}":{{"dtype":"U8","shape":[],"data_offsets":[{},{}]}},)", i, i, i + 1);
  }
  json.back() = '}';
  ExpectHeaderBounded(json, StatusCode::kCorruption);  // truncated, which is known at the end only
}

TEST(FaultF19, MillionsOfOverlappingTensors) {
  ExpectHeaderBounded(Repeated(kHeaderBytes, "\"", R"(":{"dtype":"U8","shape":[9],"data_offsets":[0,9]})"),
                      StatusCode::kCorruption);
}

TEST(FaultF19, AMillionTensorsInTheWorstOrder) {
  std::string json = "{";
  json.reserve(kHeaderBytes + 200);
  // Names that differ at their ends alone, in no order; the last begins where the data begin.
  constexpr std::size_t kCount = 880'000;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::size_t place = kCount - 1 - i;
    json += "\"model.layers.0.mlp.experts.0.up_" + std::to_string(i * 7919 % kCount) +
            R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + std::to_string(place) + "," +
            std::to_string(place + 1) + "]},";
  }
  json.back() = '}';
  ASSERT_LT(json.size(), kMaxHeaderBytes);
  ExpectHeaderBounded(json, StatusCode::kCorruption);  // truncated, which is known at the end only
}

TEST(FaultF19, RanksOfSixteen) {
  ExpectHeaderBounded(Repeated(kHeaderBytes, "\"",
                               R"(":{"dtype":"U8","shape":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"data_offsets":[0,0]})"),
                      StatusCode::kNotSupported);
}

TEST(FaultF19, TheLongestNames) {
  const std::string json =
      Repeated(kHeaderBytes, "\"" + std::string(4080, 'n'), R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  ExpectHeaderBounded(json, StatusCode::kCorruption);  // 1000 bytes follow the last tensor
}

TEST(FaultF19, NamesOfEscapes) {
  std::string name;
  for (int i = 0; i < 600; ++i) name += "\\u0061";
  ExpectHeaderBounded(Repeated(kHeaderBytes, "\"" + name, R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})"),
                      StatusCode::kCorruption);
}

// One file under many names: each header is within the limits and its tensors are kept, those of all would take 6 GB.
// Memory alone is bounded here: how long a checkpoint may take is a matter of how many headers it has.
TEST(FaultF19, ManyLargeHeaders) {
  constexpr std::size_t kTensors = 500'000;
  std::string json = "{";
  for (std::size_t i = 0; i < kTensors; ++i) {
    json += fmt::format(R"("{}":{{"dtype":"U8","shape":[],"data_offsets":[{},{}]}},)", i, i, i + 1);
  }
  json.back() = '}';
  const ScratchDirectory directory;
  directory.Write("model-0.safetensors", HeaderBytes(json) + std::string(kTensors, 'x'));
  for (int i = 1; i < 100; ++i) {
    std::filesystem::create_hard_link(directory / "model-0.safetensors",
                                      directory / fmt::format("model-{}.safetensors", i));
  }
  ResetPeak();
  const std::size_t before = LiveBytes();
  const auto checkpoint = SafetensorsDirectory::Open(directory.path());
  EXPECT_EQ(checkpoint.status().code(), StatusCode::kNotSupported) << checkpoint.status();
  EXPECT_LT(PeakBytes() - before, 4 * kMaxAllHeadersBytes);
  EXPECT_GT(PeakBytes() - before, kMaxAllHeadersBytes / 2) << "so little that nothing is seen";
}

TEST(FaultF19, NothingButBraces) { ExpectHeaderBounded(std::string(kHeaderBytes, '{') + "}", StatusCode::kCorruption); }

TEST(FaultF19, NothingButBrackets) {
  ExpectHeaderBounded("{\"t\":" + std::string(kHeaderBytes, '[') + "}", StatusCode::kCorruption);
}

TEST(FaultF19, NothingButSpaces) {
  ExpectHeaderBounded("{" + std::string(kHeaderBytes, ' ') + "}", StatusCode::kNotSupported);
}

TEST(FaultF19, OneEndlessString) {
  ExpectHeaderBounded("{\"" + std::string(kHeaderBytes, 'a') + "\":1}", StatusCode::kNotSupported);
}

TEST(FaultF19, OneEndlessNumber) {
  ExpectHeaderBounded("{\"t\":" + std::string(kHeaderBytes, '1') + "}", StatusCode::kNotSupported);
}

TEST(FaultF19, MillionsOfMetadataEntries) {
  const std::string entries = Repeated(kHeaderBytes, "\"", R"(":"")");
  ExpectHeaderBounded(R"({"__metadata__":)" + entries + "}", StatusCode::kNotSupported);
}

TEST(FaultF19, AnIndexOfMillionsOfTensors) {
  const std::string json = "{\"weight_map\":" + Repeated(kIndexBytes, "\"", R"(":"a.safetensors")") + "}";
  ExpectIndexBounded(json, StatusCode::kNotSupported);
}

TEST(FaultF19, AnIndexOfLongNames) {
  const std::string json =
      "{\"weight_map\":" + Repeated(kIndexBytes, "\"" + std::string(100, 'n'), R"(":"a.safetensors")") + "}";
  ExpectIndexBounded(json, StatusCode::kOk);
}

TEST(FaultF19, AnIndexOfMillionsOfFiles) {
  std::string json = "{\"weight_map\":{";
  json.reserve(kIndexBytes + 100);
  for (std::size_t i = 0; json.size() < kIndexBytes; ++i) {
    const std::string number = std::to_string(i);
    json += "\"" + number + "\":\"" + number + ".safetensors\",";
  }
  json.back() = '}';
  json += '}';
  ExpectIndexBounded(json, StatusCode::kNotSupported);
}

}  // namespace
}  // namespace shardfs::testing
