// How libFuzzer changes the inputs of header_fuzz.
//
// Most mutations of bytes break the length or leave data of another size than the header describes, and nothing behind
// those checks would be reached: so half of the mutations are of the JSON alone, with a frame made to fit, and one
// input in sixteen is a new valid header.
#include <cstring>

#include "fuzz/fuzz_target.h"
#include "fuzz/header_generator.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  using namespace shardfs::testing;
  const auto give = [&](const std::string& json) {
    const std::string file = FileOf(json, DescribedSize(json));
    const std::size_t given = std::min(file.size(), max_size);
    std::memcpy(data, file.data(), given);
    return given;
  };
  std::minstd_rand random(seed);
  if (random() % 16 == 0) return give(RandomHeaderJson(random));
  if (random() % 2 == 0 || size <= 8 || max_size <= 8) return LLVMFuzzerMutate(data, size, max_size);
  const std::size_t json_size = JsonSize(data, size);
  std::string json(max_size - 8, '\0');
  std::memcpy(json.data(), data + 8, json_size);
  json.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(json.data()), json_size, json.size()));
  return give(json);
}
