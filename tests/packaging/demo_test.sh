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
TMPDIR=$scratch/tmp "$script" --build-dir "$SHARDFS_BUILD_DIR" >"$scratch/said" 2>&1 || fail "it says: $(<"$scratch/said")"
for text in '[8/8] Unmount.' 'Not a byte differs in 56 files' ': OK' 'model-moe-tp-003-ep-003'; do
  [[ $(<"$scratch/said") == *"$text"* ]] || fail "no '$text' in: $(<"$scratch/said")"
done
[[ -z $(ls -A "$scratch/tmp") ]] || fail "it leaves behind: $(ls -A "$scratch/tmp")"
# Its own directory in memory, which its commands name: another run may have one there.
memory=$(grep -oE '/dev/shm/shardfs-demo-[A-Za-z0-9]+' "$scratch/said" | sort -u)
[[ -z $memory || ! -e $memory ]] || fail "it leaves $memory behind"
