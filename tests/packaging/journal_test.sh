#!/bin/bash
# What the manual says of a view that has died: `journalctl -t shardfs` has its daemon's last lines, and says of one
# with --run-as which signal it was. A journald of its own is run, in namespaces where nothing of it is seen outside.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_fuse

# Not even with CI=true: few containers let a journald run.
cannot() {
  echo "skipped: $1"
  exit 77
}
[[ -x /usr/lib/systemd/systemd-journald ]] || cannot "there is no journald here"
((EUID == 0)) || cannot "only root gets the namespaces"

if [[ ${1:-} != --inside ]]; then
  code=0
  unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash "$0" --inside "$scratch" || code=$?
  exit "$code"
fi

# ---- inside ----

trap - EXIT
rm -rf "$scratch"
scratch=$2
mkdir "$scratch/dev" "$scratch/mnt"
mount -t tmpfs dev "$scratch/dev"
for node in null zero random urandom tty fuse; do
  : >"$scratch/dev/$node"
  mount --bind "/dev/$node" "$scratch/dev/$node"
done
ln -s /proc/self/fd "$scratch/dev/fd"
mount --move "$scratch/dev" /dev
mount -t tmpfs run /run
mkdir -p /run/log/journal /run/systemd
if [[ -d /var/log/journal ]]; then mount -t tmpfs journal /var/log/journal; fi
/usr/lib/systemd/systemd-journald >"$scratch/journald.log" 2>&1 &
journald=$!
is_up_or_gone() { [[ -S /run/systemd/journal/dev-log ]] || ! kill -0 "$journald"; }
wait_for is_up_or_gone || fail "journald hangs: $(tail -n 3 "$scratch/journald.log")"
kill -0 "$journald" 2>/dev/null || cannot "journald does not run here: $(tail -n 3 "$scratch/journald.log")"
ln -s /run/systemd/journal/dev-log /dev/log
# says TEXT: the journal has a line of shardfs with it.
says() { [[ $(journalctl -q --no-pager -t shardfs) == *"$1"* ]]; }

cp -r "$golden/source" "$scratch/source"
chmod -R u+w "$scratch/source"
shard=$scratch/source/model-00001-of-00002.safetensors
"$SHARDFS_EXECUTABLE" mount "$scratch/source" "$scratch/mnt" "${golden_sizes[@]}"
wait_for says "mounted $scratch/source on $scratch/mnt" || fail "the journal does not say what is mounted"
truncate -s 10 "$shard"
if cat "$scratch/mnt/model-norm/model.safetensors" >/dev/null 2>&1; then fail "bytes of a source that has changed"; fi
wait_for says "'model-00001-of-00002.safetensors' has changed" || fail "the journal does not say why a read failed"
"$SHARDFS_EXECUTABLE" umount "$scratch/mnt"
wait_for says "unmounted $scratch/mnt" || fail "the journal does not say that it was unmounted"

# Killed, its parent says so; and status says where to look.
"$SHARDFS_EXECUTABLE" mount "$golden/source" "$scratch/mnt" "${golden_sizes[@]}" --run-as 65534:65534
kill -KILL "$(sed -nE 's/^ *"pid": ([0-9]+).*/\1/p' "$scratch/mnt/.shardfs/status.json")"
wait_for says 'killed by signal 9' || fail "the journal does not say what killed it: $(journalctl -q --no-pager -t shardfs)"
"$SHARDFS_EXECUTABLE" umount --if-mounted "$scratch/mnt"
"$SHARDFS_EXECUTABLE" mount "$golden/source" "$scratch/mnt" "${golden_sizes[@]}"
kill -KILL "$(sed -nE 's/^ *"pid": ([0-9]+).*/\1/p' "$scratch/mnt/.shardfs/status.json")"
is_dead() {
  local code=0
  "$SHARDFS_EXECUTABLE" status "$scratch/mnt" >/dev/null 2>"$scratch/said" || code=$?
  ((code == 7))
}
wait_for is_dead || fail "a killed view is not dead"
grep -qF 'journalctl -t shardfs' "$scratch/said" || fail "status does not say where to look: $(<"$scratch/said")"
"$SHARDFS_EXECUTABLE" umount "$scratch/mnt"
kill "$journald"
