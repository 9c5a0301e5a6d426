// Defects on purpose, one an argument: whether the sanitizers of this build are on. A build whose sanitizers are off
// exits with 0, and its test fails.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

int counter = 0;

void UseAfterFree() {
  auto* memory = static_cast<volatile char*>(std::malloc(8));
  std::free(const_cast<char*>(memory));
  std::printf("%d\n", memory[3]);
}

void Leak() {
  auto* volatile memory = static_cast<char*>(std::malloc(100));
  memory[0] = 1;
  memory = nullptr;
}

void Overflow(int argc) {
  volatile int sum = INT_MAX - 1;
  sum = sum + argc;
  std::printf("%d\n", sum);
}

void Race() {
  const auto count = [] {
    for (int i = 0; i < 100'000; ++i) counter = counter + 1;
  };
  std::thread other(count);
  count();
  other.join();
  std::printf("%d\n", counter);
}

}  // namespace

int main(int argc, char** argv) {
  const char* defect = argc > 1 ? argv[1] : "";
  if (std::strcmp(defect, "use-after-free") == 0) UseAfterFree();
  if (std::strcmp(defect, "leak") == 0) Leak();
  if (std::strcmp(defect, "overflow") == 0) Overflow(argc);
  if (std::strcmp(defect, "race") == 0) Race();
  return 0;
}
