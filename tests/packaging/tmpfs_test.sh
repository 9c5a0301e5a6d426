#!/bin/bash
# shardfs-tmpfs mounts what it says, once.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
script=$root/mount-scripts/shardfs-tmpfs

[[ $("$script" --help) == *'Usage: shardfs-tmpfs'* ]] || fail "no help"
expect_refused 2 'which directory' "$script"
expect_refused 2 "'lots' is no size" "$script" --size lots "$scratch/a"
expect_refused 2 'no option --frobnicate' "$script" --frobnicate "$scratch/a"
enter_own_mounts

said=$("$script" --size 64M "$scratch/a")
[[ $(findmnt -n -o FSTYPE --mountpoint "$scratch/a") == tmpfs ]] || fail "nothing is mounted"
[[ $(df --output=size --block-size=1M "$scratch/a" | tail -n 1) -eq 64 ]] || fail "the size is not 64 MiB"
options=$(findmnt -n -o OPTIONS --mountpoint "$scratch/a")
for option in huge=within_size noswap; do
  if [[ $said == *$option* ]]; then
    [[ $options == *$option* ]] || fail "it says '$said', and the mount has $options"
  fi
done
[[ $options == *nosuid* && $options == *nodev* ]] || fail "the mount has $options"
# On a kernel that has huge pages in tmpfs, they are in force.
if [[ -e /sys/kernel/mm/transparent_hugepage/shmem_enabled ]]; then
  [[ $options == *huge=within_size* ]] || fail "no huge pages in $options"
fi

[[ $("$script" "$scratch/a") == *'a tmpfs already'* ]] || fail "a second call does not see the first"
[[ $(findmnt -n --mountpoint "$scratch/a" | wc -l) == 1 ]] || fail "it is mounted twice"
SHARDFS_TMPFS_SIZE=32M "$script" "$scratch/b" >/dev/null
[[ $(df --output=size --block-size=1M "$scratch/b" | tail -n 1) -eq 32 ]] || fail "SHARDFS_TMPFS_SIZE does not count"

mkdir "$scratch/full"
touch "$scratch/full/file"
expect_refused 2 'is not empty' "$script" "$scratch/full"
mkdir "$scratch/other"
mount --bind "$scratch/full" "$scratch/other"
expect_refused 2 'a mount of another kind' "$script" "$scratch/other"

# What is written there is what a view shows.
"$SHARDFS_EXECUTABLE" materialize "$golden/source" "$scratch/a/weights" "${golden_sizes[@]}" >/dev/null
expect_golden "$scratch/a/weights"
