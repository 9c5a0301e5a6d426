#!/usr/bin/env bash
# Builds shardfs optimised, makes checkpoints, measures shardfs beside the limits of the machine, and prints a table.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build-bench

usage() {
  cat <<'EOF'
Usage: tests/bench/run.sh [options]

Measures materialize, mounts and the kernels that assemble tensors, each beside its reference in the same run, and
prints a table with targets. Needs root (it mounts file systems), about 17 GB of memory and 11 GB of disk (--full: 24
and 16); it says what is there before it starts. A quick run takes a quarter of an hour on two cores.

  --full            larger checkpoints, more rounds, every row for every checkpoint
  --only NAME       only this benchmark; may be given again. Of a checkpoint: materialize copy reads mapped ranks direct
                    small source-bytes; others: kernels true-scale
  --checkpoint NAME only of this one: bf16, w8a8, fp8 (shown as BF16), rank-cut
  --out DIR         where results.txt, results.json and results.svg go (default: build-bench/results)
  --scratch DIR     a directory on a disk for temporary files (default: /var/tmp)
  --checkpoints DIR keep the checkpoints there, and take those that are there already
  --prepare         make the checkpoints (with --checkpoints) and measure nothing
  --help            this text

Everything temporary is removed at the end, also after Ctrl-C. Nothing else should run meanwhile.
EOF
}

out=$build/results
scratch_parent=/var/tmp
arguments=()
while (($#)); do
  case $1 in
    --full | --prepare) arguments+=("$1") ;;
    --only | --checkpoint | --out | --scratch | --checkpoints)
      if (($# < 2)); then
        echo "run.sh: $1 needs a value (see --help)" >&2
        exit 2
      fi
      case $1 in
        --out) out=$(realpath -m "$2") ;;
        --scratch) scratch_parent=$2 ;;
        --checkpoints) arguments+=("$1" "$(realpath -m "$2")") ;;
        *) arguments+=("$1" "$2") ;;
      esac
      shift
      ;;
    --help)
      usage
      exit 0
      ;;
    *)
      echo "run.sh: unknown argument '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done
if ((EUID != 0)); then
  echo "run.sh: the benchmark mounts file systems; start it as root" >&2
  exit 2
fi

"$root"/mount-scripts/install-dependencies.sh --tests
if [[ ! -e /dev/fuse ]]; then modprobe fuse 2>/dev/null || true; fi
if [[ ! -e /dev/fuse ]]; then
  echo "run.sh: there is no /dev/fuse (in a container: --device /dev/fuse --cap-add SYS_ADMIN)" >&2
  exit 1
fi

cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSHARDFS_BUILD_BENCHMARKS=ON \
  "-DSHARDFS_TEST_FOLDERS=tools;bench" >/dev/null
cmake --build "$build" --target shardfs make_checkpoint shardfs_bench

scratch=$(realpath "$(mktemp -d "$scratch_parent/shardfs-bench-XXXXXX")")
driver=

# Unmounting ends the daemons. Here for a driver that could not do it itself, because it was killed.
clean_up() {
  local point
  trap '' INT TERM HUP # an impatient second Ctrl-C must not leave the rest
  if [[ -n $driver ]]; then
    kill -TERM "$driver" 2>/dev/null || true
    wait "$driver" 2>/dev/null || true
  fi
  while read -r point; do
    umount "$point" 2>/dev/null || umount -l "$point" || true
  done < <(cut -d ' ' -f 5 /proc/self/mountinfo | grep -F "$scratch/" | sort -r)
  if ! cut -d ' ' -f 5 /proc/self/mountinfo | grep -qF "$scratch/"; then
    chmod -R u+rwX "$scratch"
    rm -rf "$scratch"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In the background: bash runs traps only when the program that it waits for has ended, unless it waits like this.
"$build"/tests/bench/shardfs_bench --shardfs "$build/src/cli/shardfs" \
  --make-checkpoint "$build/tests/tools/make_checkpoint" --scratch "$scratch" --out "$out" "${arguments[@]}" &
driver=$!
result=0
wait "$driver" || result=$?
driver=
exit "$result"
