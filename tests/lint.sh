#!/usr/bin/env bash
# Checks the order of layers, builds everything, the tests too, with clang, warnings as errors, and runs clang-tidy
# (.clang-tidy) over src/. Arguments are sources to look at instead of all ("tests/lint.sh src/base/*.cc"); with
# --tidy-only nothing is built.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

tests/layers.sh

build=1
if [[ ${1:-} == --tidy-only ]]; then
  build=0
  shift
fi
for tool in clang++ clang-tidy; do
  if ! command -v "$tool" >/dev/null; then
    echo "tests/lint.sh: there is no $tool; install Debian's clang and clang-tidy" >&2
    exit 1
  fi
done

# Unoptimised: clang's warnings need no optimiser.
cmake --preset default -B build-clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O0 \
  -DCMAKE_COMPILE_WARNING_AS_ERROR=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null
if ((build)); then cmake --build build-clang; fi

sources=("$@")
if ((${#sources[@]} == 0)); then mapfile -t sources < <(find src -name '*.cc' | sort); fi
printf '%s\0' "${sources[@]}" | xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p build-clang
