#!/usr/bin/env bash
# Builds everything and runs the tests. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/run.sh [--no-fuzz | --fuzz MINUTES] [--sanitize address|thread] [CTEST-ARGUMENT...]
       tests/run.sh --platforms

Installs what the tests need, builds everything, runs every test with ctest, and fuzzes each target for 20 seconds.
Where everything before took more than half an hour, nothing is fuzzed: a run is to take 45 minutes at most on two cores.
Tests that need /dev/fuse are skipped where it does not work, and fail there with CI=true.

  -R Fuse               other arguments are handed to ctest; nothing is fuzzed then
  --no-fuzz             only the tests
  --fuzz MINUTES        all of it, but each target for so many minutes
  --platforms           only other machines than this one, which take about an hour: every test of aarch64, of kernels
                        other than this machine's and 5.10, and of a release's packages; tests/platforms/run.sh --help
                        lists them. What every run has of them is Platforms.* of ctest: the static program, the FUSE
                        protocol of Linux 4.19, and a machine with 5.10
  --sanitize address    the tests alone, with AddressSanitizer and UndefinedBehaviorSanitizer
  --sanitize thread     the tests alone, with ThreadSanitizer
  --help                this text
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

fail() {
  echo "tests/run.sh: $1" >&2
  exit 2
}

preset=default
fuzz_seconds=
ctest_arguments=()
platforms=0
while (($#)); do
  case $1 in
    --help)
      usage
      exit 0
      ;;
    --platforms) platforms=1 ;;
    --no-fuzz) fuzz_seconds=0 ;;
    --fuzz)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--fuzz needs a number of minutes"
      fuzz_seconds=$(($2 * 60))
      shift
      ;;
    --sanitize)
      case ${2:-} in
        address) preset=asan ;;
        thread) preset=tsan ;;
        *) fail "--sanitize needs address or thread" ;;
      esac
      shift
      ;;
    *) ctest_arguments+=("$1") ;;
  esac
  shift
done
# By default where everything is asked for: not when some tests are chosen, nor with sanitizers, which fuzzing has anyway.
if [[ -z $fuzz_seconds ]]; then
  fuzz_seconds=0
  if ((${#ctest_arguments[@]} == 0)) && [[ $preset == default ]]; then fuzz_seconds=20; fi
fi

# A compiler takes up to 2 GiB, so memory bounds the number of them as well as processors.
processors=$(nproc)
memory_gib=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
build_jobs=$((memory_gib / 2 < processors ? memory_gib / 2 : processors))
build_jobs=$((build_jobs > 0 ? build_jobs : 1))

dependencies=(--tests)
if ((platforms)); then dependencies+=(--platforms --clean-machine); fi
mount-scripts/install-dependencies.sh "${dependencies[@]}"
if [[ ! -e /dev/fuse ]] && ((EUID == 0)); then
  modprobe fuse 2>/dev/null || true # in a container there is no module to load: the tests say what is missing
fi

# Nothing but the tests of the static program needs these, and they say so where they are missing.
if [[ $preset == default ]]; then mount-scripts/build-static-dependencies.sh || true; fi

# Warnings are errors here, and not for users who build. GCC 12's data-flow warnings have false positives in code that is
# instrumented; the default has the same checks.
warnings=OFF
if [[ $preset == default ]]; then warnings=ON; fi
cmake --preset "$preset" -DCMAKE_COMPILE_WARNING_AS_ERROR="$warnings"
cmake --build --preset "$preset" -j "$build_jobs"

# Everything that the tests make lies in this directory, and everything that they start has it in its environment:
# that tells their leftovers from other people's mounts and processes.
scratch=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/shardfs-tests-XXXXXX")")
chmod 0755 "$scratch" # some tests become another user
export TMPDIR=$scratch

# The mount points below $scratch, innermost first.
mounts_left() {
  local point
  cut -d ' ' -f 5 /proc/self/mountinfo | while read -r point; do
    if [[ $point == "$scratch"/* ]]; then echo "$point"; fi
  done | sort -r
}

processes_left() {
  local environment pid
  for environment in /proc/[0-9]*/environ; do
    pid=${environment#/proc/}
    pid=${pid%/environ}
    # Only programs of this build: the shells of this script have the variable as well.
    if [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$root"/build*/* ]] &&
      grep -qzxF "TMPDIR=$scratch" "$environment" 2>/dev/null; then
      echo "$pid"
    fi
  done
}

# Removes what the tests left behind; fails, and says what it was, if that is a mount or a process.
clean_up() {
  local point pid failed=0
  trap '' INT TERM # an impatient second Ctrl-C must not leave the rest
  while read -r point; do
    echo "tests/run.sh: the tests left a mount behind: $point" >&2
    fusermount3 -u -z "$point" 2>/dev/null || umount -l "$point" || true
    failed=1
  done < <(mounts_left)
  # A file system that was unmounted as it should be may still be about to exit.
  for _ in {1..600}; do
    [[ -n $(processes_left) ]] || break
    sleep 0.1
  done
  while read -r pid; do
    echo "tests/run.sh: the tests left a process behind: $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null))" >&2
    kill -KILL "$pid" 2>/dev/null || true
    failed=1
  done < <(processes_left)
  if [[ -z $(mounts_left) ]]; then
    chmod -R u+rwX "$scratch" # the view's directories are read-only, and so are copies of them
    rm -rf "$scratch"
  fi
  return "$failed"
}
trap 'clean_up || true' EXIT
child=
trap 'stop 130' INT
trap 'stop 143' TERM

# Ends what runs, and then the script with this exit code.
stop() {
  trap '' INT TERM
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  exit "$1"
}

# In the background, because a trap waits for what runs in the foreground, which may take ten minutes. There a shell has
# Ctrl-C ignored, which tests would inherit.
run() {
  (
    trap - INT QUIT
    exec "$@"
  ) &
  child=$!
  local code=0
  wait "$child" || code=$?
  child=
  return "$code"
}

if ((platforms)); then
  result=0
  run tests/platforms/run.sh || result=1
  trap - EXIT
  clean_up || result=1
  exit "$result"
fi

result=0
run ctest --preset "$preset" --no-tests=error -j "$((processors > 2 ? processors : 2))" "${ctest_arguments[@]}" || result=$?

# The fuzzer's own build takes as long as all tests. A machine that was slow so far would not be done within the three
# quarters of an hour that a run may take; what the fuzzer has found before was tried all the same (FuzzCorpus.*).
if ((fuzz_seconds == 10 && SECONDS > 1800)); then
  echo "tests/run.sh: building and testing took $SECONDS seconds, so nothing is fuzzed; --fuzz MINUTES does it" >&2
  fuzz_seconds=0
fi
if ((fuzz_seconds > 0)); then
  run tests/fuzz/run.sh --seconds "$fuzz_seconds" --jobs "$build_jobs" || result=1
fi

trap - EXIT
clean_up || result=1
exit "$result"
