#!/usr/bin/env bash
# Builds with coverage counters, runs the tests, and prints line and branch coverage of the layers that everything
# rests on, per folder. Without arguments for ctest those are all but the mounts at true scale, which take minutes each
# without optimisation. Needs Debian's gcovr.
#
# Branches that only an exception takes are left out: each call that may throw has one, and none is a decision of ours.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

if ! command -v gcovr >/dev/null; then
  echo "tests/coverage.sh: there is no gcovr; install Debian's package of that name" >&2
  exit 1
fi

build=build-coverage
cmake --preset default -B "$build" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O0 -g1 --coverage -fprofile-update=atomic" >/dev/null
cmake --build "$build"
find "$build" -name '*.gcda' -delete # of earlier runs
if (($# == 0)); then set -- -E TrueScale; fi
result=0
ctest --test-dir "$build" --no-tests=error -j "$(nproc)" "$@" | tail -n 5 || result=1

# The summary of a folder. The report itself goes to a file: gcovr replaces what it writes to, and root may replace /dev/null.
coverage() {
  gcovr --root . --filter "(src|include/shardfs)/$1/" --exclude-throw-branches --exclude-unreachable-branches \
    --print-summary --output "$build/coverage.txt" "$build" 2>/dev/null
}

printf '%-14s %8s %10s\n' folder lines branches
for folder in base option source parallel tensor format checkpoint layout view; do
  summary=$(coverage "$folder")
  printf '%-14s %8s %10s\n' "$folder" \
    "$(sed -n 's/^lines: \([0-9.]*%\).*/\1/p' <<<"$summary")" "$(sed -n 's/^branches: \([0-9.]*%\).*/\1/p' <<<"$summary")"
done
exit "$result"
