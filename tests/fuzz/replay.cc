// Runs a fuzz target over files, without a fuzzer: replay FILE_OR_DIRECTORY... Fails when there is no file at all.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz/fuzz_target.h"

namespace {

namespace fs = std::filesystem;

int files = 0;

void Replay(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);  // so that the last line names the file that ends the process
  // An allocation of its own: a read beyond its end is one that AddressSanitizer sees.
  const auto copy = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), bytes.size());
  ++files;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      Replay(argv[i]);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(argv[i])) Replay(entry.path());
  }
  std::printf("%d files\n", files);
  return files == 0 ? 1 : 0;
}
