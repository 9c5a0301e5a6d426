# What a user who is not root does in a test machine: mounts, reads, and unmounts. The options stand in /tmp/options.
# shellcheck shell=sh
set -eu
set --
while IFS= read -r argument; do set -- "$@" "$argument"; done </tmp/options
shardfs mount /tmp/source /tmp/work/mounted "$@"
for file in $(find /tmp/work/mounted -name '*.safetensors'); do echo "$(stat -c %s "$file") $file"; done |
  sort -n | tail -n 1 | cut -d ' ' -f 2 >/dev/shm/seen.name
md5sum "$(cat /dev/shm/seen.name)" | cut -d ' ' -f 1 >/dev/shm/seen.sum
shardfs umount /tmp/work/mounted
