# What a user who is not root does in a test machine: mounts, reads, and unmounts. The machine
# has set `work`, and written the options to $work/options.
# shellcheck shell=sh
set -eu
set --
while IFS= read -r argument; do set -- "$@" "$argument"; done <"$work/options"
shardfs mount "$work/source" "$work/mounted" "$@"
for file in $(find "$work/mounted" -name '*.safetensors'); do echo "$(stat -c %s "$file") $file"; done |
  sort -n | tail -n 1 | cut -d ' ' -f 2 >/dev/shm/seen.name
md5sum "$(cat /dev/shm/seen.name)" | cut -d ' ' -f 1 >/dev/shm/seen.sum
shardfs umount "$work/mounted"
