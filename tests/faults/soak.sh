#!/usr/bin/env bash
# Sixty-four readers on one mount for a long time: right bytes, no growth of memory, no handle left. See --help.
set -euo pipefail

usage() {
  cat <<'EOT'
Usage: tests/faults/soak.sh [--minutes N]

Runs the soak test of a build in build/ (cmake --preset default && cmake --build --preset default) for N minutes
(default: 30) and prints its figures. Fails when a byte was wrong, when the daemon's memory grew by 1 % or more after the
first quarter of the time, when 64 readers together got less than 0.8 of the rate of one, or when a handle was left.

  --minutes N   for how long
  --help        this text
EOT
}

minutes=30
while (($#)); do
  case $1 in
    --minutes) minutes=${2:?--minutes wants a number}; shift ;;
    --help) usage; exit 0 ;;
    *)
      echo "soak.sh: unknown argument '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CI=true SHARDFS_SOAK_MINUTES=$minutes exec "$root/build/tests/faults/faults_test" --gtest_filter='Soak.*'
