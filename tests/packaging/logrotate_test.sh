#!/bin/bash
# The script that logrotate runs behind a rotation, beside mounts whose logs are in a /var/log of the test's own.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
enter_own_mounts
require_fuse
mount -t tmpfs none /var/log
configuration=$root/mount-scripts/logrotate.conf

# Mounts the golden case on $1 with further options, in the background of its own session.
serve() {
  mkdir "$scratch/$1"
  "$SHARDFS_EXECUTABLE" mount "$golden/source" "$scratch/$1" "${golden_sizes[@]}" "${@:2}"
}
serve first --log-file /var/log/shardfs-first.log
mkdir /var/log/shardfs
serve second --log-file /var/log/shardfs/second.log --run-as 65534:65534
# What must be left alone: a reader of the log, and a mount in the foreground whose standard error is such a file.
tail -n 1 -f /var/log/shardfs-first.log >/dev/null &
reader=$!
serve third --foreground 2>/var/log/shardfs-third.log &
service=$!
for ((tenth = 0; tenth < 300; ++tenth)); do
  [[ -e $scratch/third/config.json ]] && break
  sleep 0.1
done

if command -v logrotate >/dev/null; then
  logrotate --force --state "$scratch/state" "$configuration" || fail "logrotate fails"
else
  for log in /var/log/shardfs-first.log /var/log/shardfs/second.log; do mv "$log" "$log.1"; done
  sed -n '/postrotate/,/endscript/p' "$configuration" | sed '1d;$d' >"$scratch/postrotate"
  sh -e "$scratch/postrotate" || fail "the script fails"
fi

wait_for() { # TEXT FILE
  for ((tenth = 0; tenth < 300; ++tenth)); do
    grep -q "$1" "$2" 2>/dev/null && return
    sleep 0.1
  done
  fail "no '$1' in $2"
}
wait_for 'SIGHUP: the log goes on' /var/log/shardfs-first.log
wait_for 'SIGHUP: the log goes on' /var/log/shardfs/second.log
kill -0 "$reader" 2>/dev/null || fail "the reader of a log was ended"
kill -0 "$service" 2>/dev/null || fail "a mount in the foreground was ended"
for view in first second third; do
  expect_golden "$scratch/$view"
  "$SHARDFS_EXECUTABLE" umount "$scratch/$view"
done
wait_for "unmounted $scratch/first" /var/log/shardfs-first.log
wait_for "unmounted $scratch/second" /var/log/shardfs/second.log
kill "$reader"
wait "$service" || fail "the mount in the foreground ended with $?"
