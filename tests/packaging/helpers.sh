# What the tests of this folder share; sourced by each of them. ctest sets SHARDFS_BUILD_DIR, SHARDFS_EXECUTABLE and
# MAKE_CHECKPOINT. Exit code 77 is a skipped test.
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
golden=$root/tests/golden/mindie/bf16_dp2tp2_mtp2ep2
golden_sizes=(--dp 2 --tp 2 --moe-tp 2 --moe-ep 2 --mtp)
unset DEEPSEEK_MTP RANK_TABLE_FILE DP_PARTITION_UP_ENABLE NOTIFY_SOCKET

scratch=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/shardfs-packaging-XXXXXX")")

# Innermost first; `umount -l` also takes away what no longer answers.
clean_up() {
  local point
  while read -r point; do
    umount -l "$point" || true
  done < <(cut -d ' ' -f 5 /proc/self/mountinfo | grep -F "$scratch/" | sort -r)
  chmod -R u+rwX "$scratch" # copies of a view's directories are read-only
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

# Not where a run without this test would prove too little.
skip() {
  if [[ ${CI:-} == true ]]; then fail "$1, and CI=true asks for this test"; fi
  echo "skipped: $1"
  exit 77
}

require_command() {
  command -v "$1" >/dev/null || skip "there is no $1 here"
}

require_fuse() {
  { : <>/dev/fuse; } 2>/dev/null || skip "/dev/fuse cannot be opened, so nothing can be mounted"
}

# Starts the test again in a mount namespace of its own, where it may replace files of the system.
enter_own_mounts() {
  [[ -z ${SHARDFS_OWN_MOUNTS:-} ]] || return 0
  ((EUID == 0)) || skip "only root may replace /etc/fstab, even for itself alone"
  unshare --mount --propagation private true 2>/dev/null || skip "this container has no mount namespaces to give"
  rm -rf "$scratch"
  SHARDFS_OWN_MOUNTS=1 exec unshare --mount --propagation private bash "$0" "$@"
}

# expect_refused CODE TEXT COMMAND...: fails with that exit code and a message that has TEXT in it.
expect_refused() {
  local code=$1 text=$2 message result=0
  shift 2
  message=$("$@" 2>&1) || result=$?
  ((result == code)) || fail "exit code $result instead of $code of: $* ($message)"
  [[ $message == *"$text"* ]] || fail "no '$text' in the message of: $* ($message)"
}

# expect_golden DIRECTORY: holds exactly what the golden case says.
expect_golden() {
  "$SHARDFS_EXECUTABLE" verify "$golden/source" "$1" "${golden_sizes[@]}" >"$scratch/verify.out" 2>&1 ||
    fail "$1 differs from the golden case: $(<"$scratch/verify.out")"
}

# expect_mounted POINT OPTION...: a view is mounted there, with these mount options.
expect_mounted() {
  local point=$1 options option
  shift
  [[ $(findmnt -n -o FSTYPE --mountpoint "$point") == fuse.shardfs ]] || fail "no view is mounted on $point"
  options=",$(findmnt -n -o OPTIONS --mountpoint "$point"),"
  for option; do
    [[ $options == *",$option,"* ]] || fail "the mount on $point has $options and not $option"
  done
}

# wait_for COMMAND...: until it succeeds. Fails after two minutes: what takes longer hangs.
wait_for() {
  local tenth
  for ((tenth = 0; tenth < 1200; ++tenth)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  return 1
}

expect_not_mounted() {
  if findmnt --mountpoint "$1" >/dev/null; then fail "$1 is still mounted"; fi
}
