# What the tests of this folder share, beside those of tests/packaging/helpers.sh; sourced by each of them. ctest sets
# SHARDFS_STATIC_EXECUTABLE (empty where nothing was there to link it with) and WRITE_GOLDEN_CASES.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/../packaging/helpers.sh"
platforms=$root/tests/platforms

# skip_download REASON: what Debian's mirror does not give is no fault of this machine, so CI=true does not ask for it.
skip_download() {
  echo "skipped: $1"
  exit 77
}

require_static_program() {
  [[ -n ${SHARDFS_STATIC_EXECUTABLE:-} ]] ||
    skip_download "there is no static program here: it takes mount-scripts/build-static-dependencies.sh before cmake, and no sanitizer"
}

# compile_tool NAME [TRIPLET]: the C program tests/platforms/NAME.c, without shared libraries, as $scratch/NAME.
compile_tool() {
  local compiler=${2:+$2-}gcc
  "$compiler" -O1 -static -Wall -Wextra -Werror -o "$scratch/$1" "$platforms/$1.c" || fail "$1.c does not compile with $compiler"
}

# run_golden_cases [mount] PROGRAM...: every golden case by materialize, and by mount as well if that is said. `cases`
# is where they lie.
run_golden_cases() {
  local by_mount=false case_directory name failures=0
  if [[ $1 == mount ]]; then
    by_mount=true
    shift
  fi
  program=$*
  work=$scratch/work
  mkdir -p "$work"
  bad() {
    echo "FAILED: $program: $1" >&2
    failures=$((failures + 1))
  }
  for case_directory in "$cases"/*/; do
    name=$(basename "$case_directory")
    golden_materialize "$name"
    if $by_mount; then golden_mount "$name"; fi
  done
  ((failures == 0)) || fail "$failures differences with: $program"
}
# shellcheck source-path=SCRIPTDIR
source "$platforms/golden.sh"
