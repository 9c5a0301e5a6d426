#!/usr/bin/env bash
# Fuzzes every target, as many at once as there are processors, and prints the executions of each. Needs clang.
#
#   tests/fuzz/run.sh [--seconds N] [--jobs N] [TARGET...]      seconds for each target (20); compilers at once (2)
#
# What the fuzzer learns is kept in build-fuzz/corpus/TARGET and used again the next time. A find ends its target and
# lies in build-fuzz/finds/: it goes, under a name that says what it is, into tests/fuzz/corpus/TARGET with its repair.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

seconds=20
jobs=2
targets=()
while (($#)); do
  case $1 in
    --seconds) seconds=$2; shift ;;
    --jobs) jobs=$2; shift ;;
    *) targets+=("$1") ;;
  esac
  shift
done

if ! command -v clang++ >/dev/null; then
  echo "tests/fuzz/run.sh: there is no clang++, so nothing is fuzzed (mount-scripts/install-dependencies.sh --tests)" >&2
  exit 0
fi
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$jobs" | tail -n 1

build=build-fuzz
mkdir -p "$build/finds" "$build/logs"
if ((${#targets[@]} == 0)); then
  for program in "$build"/tests/fuzz/*_fuzz; do
    name=$(basename "$program")
    targets+=("${name%_fuzz}")
  done
fi

# A leak is looked for at the end only: looking after every input would be most of the time.
fuzz() {
  local target=$1 seeds=tests/fuzz/corpus/$1 length=4096
  # The shorter the input, the more of them in a second; what a header has to say fits into this.
  [[ $target == header ]] && length=512
  mkdir -p "$build/corpus/$target"
  "$build/tests/fuzz/${target}_fuzz" -max_total_time="$seconds" -max_len="$length" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$build/finds/$target-" "$build/corpus/$target" "$seeds" \
    >"$build/logs/$target.log" 2>&1
}

result=0
running=()
# Waits for the oldest target and says what became of it.
finish_one() {
  local entry=${running[0]} executions
  local target=${entry%:*} pid=${entry#*:}
  running=("${running[@]:1}")
  if wait "$pid"; then
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/logs/$target.log")
    echo "fuzzed $target: $executions executions, nothing found"
  else
    grep -E 'ERROR|does not hold|SUMMARY|Test unit written' "$build/logs/$target.log" >&2 || tail "$build/logs/$target.log" >&2
    echo "tests/fuzz/run.sh: a find in $target: see $build/logs/$target.log and $build/finds/" >&2
    result=1
  fi
}

trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
for target in "${targets[@]}"; do
  fuzz "$target" &
  running+=("$target:$!")
  ((${#running[@]} < $(nproc))) || finish_one
done
while ((${#running[@]})); do finish_one; done
trap - EXIT
exit "$result"
