#!/usr/bin/env bash
# The static program on other machines than this one, those that are too slow for every run of the tests. See --help.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/platforms/run.sh [--build-dir DIR] [ROW...]

Each ROW is a machine, or a way to install; without any, all of them are run, which takes about an hour on two cores:

  amd64-5.10 amd64-6.1 amd64-6.12      virtual machines of Debian's kernels with pages of 4 KiB (5.10: a disk with ext4)
  aarch64-user                         every golden case on this kernel, the processor being emulated (qemu-user)
  aarch64-5.10                         a virtual machine with pages of 4 KiB
  aarch64-6.12-16k                     one with pages of 16 KiB, a disk with ext4, and the unit tests that know of pages
  aarch64-5.10-64k                     the same with pages of 64 KiB, of a kernel that is built for it (ten minutes, once)
  kernels                              instructions of each vector kernel for an element, AVX2 and NEON, in machines
                                       whose clock counts instructions
  release                              build-release.sh, twice: the same bytes; lintian and rpmlint without errors
  bullseye                             the .deb and the tarball in a Debian 11 (glibc 2.31); needs mmdebstrap
  rpm                                  the .rpm installed into an empty root, run there, and removed without a trace

Everything else than the machine itself comes from the build in DIR (default: build) and the cross build in
build-aarch64, which is made where a row needs it. Needs what install-dependencies.sh --tests --platforms installs.
Exit code 1 if any row fails; the last lines say which.
TEXT
}

rows=() build=''
while (($#)); do
  case $1 in
    --help) usage; exit 0 ;;
    --build-dir)
      build=$(realpath "$2")
      shift
      ;;
    *) rows+=("$1") ;;
  esac
  shift
done
((${#rows[@]})) || rows=(amd64-5.10 amd64-6.1 amd64-6.12 aarch64-user aarch64-5.10 aarch64-6.12-16k aarch64-5.10-64k kernels release bullseye rpm)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${build:-$(realpath "$here/../../build")}
export SHARDFS_BUILD_DIR=$build SHARDFS_EXECUTABLE=$build/src/cli/shardfs MAKE_CHECKPOINT=$build/tests/tools/make_checkpoint
export SHARDFS_STATIC_EXECUTABLE=$build/tests/platforms/shardfs_static
export WRITE_GOLDEN_CASES=$build/tests/platforms/write_golden_cases
for program in "$SHARDFS_EXECUTABLE" "$SHARDFS_STATIC_EXECUTABLE" "$WRITE_GOLDEN_CASES" "$MAKE_CHECKPOINT"; do
  [[ -x $program ]] || {
    echo "run.sh: there is no $program; run mount-scripts/build-static-dependencies.sh, cmake --preset default and cmake --build --preset default" >&2
    exit 2
  }
done

summary=() result=0
for row in "${rows[@]}"; do
  echo "== $row"
  begin=$SECONDS
  if CI=true bash "$here/row.sh" "$row"; then
    summary+=("$row: passed, $((SECONDS - begin)) s")
  else
    summary+=("$row: FAILED, $((SECONDS - begin)) s")
    result=1
  fi
done
printf '%s\n' "${summary[@]}"
exit "$result"
