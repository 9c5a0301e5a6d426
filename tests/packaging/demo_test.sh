#!/bin/bash
# The demonstration of README runs to its end, compares all it has written, and leaves nothing behind.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
script=$root/mount-scripts/demo.sh

[[ $("$script" --help) == *'Usage: mount-scripts/demo.sh'* ]] || fail "no help"
expect_refused 2 "unknown argument '--frobnicate'" "$script" --frobnicate
expect_refused 2 '--build-dir needs a directory' "$script" --build-dir "$scratch"
require_fuse

mkdir "$scratch/tmp"
before=$(ls -d /dev/shm/shardfs-demo-* 2>/dev/null || true)
TMPDIR=$scratch/tmp "$script" --build-dir "$SHARDFS_BUILD_DIR" >"$scratch/said" 2>&1 || fail "it says: $(<"$scratch/said")"
for text in '[8/8] Unmount.' 'Not a byte differs in 56 files' ': OK' 'model-moe-tp-003-ep-003'; do
  [[ $(<"$scratch/said") == *"$text"* ]] || fail "no '$text' in: $(<"$scratch/said")"
done
[[ -z $(ls -A "$scratch/tmp") ]] || fail "it leaves behind: $(ls -A "$scratch/tmp")"
[[ $(ls -d /dev/shm/shardfs-demo-* 2>/dev/null || true) == "$before" ]] || fail "it leaves a directory in /dev/shm"
