#!/bin/bash
# The units run by systemd itself: a user manager, because that one needs no machine of its own, in namespaces where
# nothing of it is seen outside. Started by root it applies the sandbox of the unit as well.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_fuse

# Not even with CI=true: few containers let a systemd run, and service_test.cc has the same commands.
cannot() {
  echo "skipped: $1"
  exit 77
}
[[ -x /usr/lib/systemd/systemd ]] || cannot "there is no systemd here"
((EUID == 0)) || cannot "only root gets the namespaces"
if grep -q "^SHARDFS_SANITIZE:STRING=." "$SHARDFS_BUILD_DIR/CMakeCache.txt"; then
  cannot "sanitizers do more than the sandbox of the unit allows"
fi

# ---- inside ----

if [[ ${1:-} == --inside ]]; then
  trap - EXIT
  rm -rf "$scratch"
  scratch=$2
  for hierarchy in $(findmnt -n -r -o TARGET -t cgroup,cgroup2); do
    if [[ -d $hierarchy/$3 ]]; then mount --bind "$hierarchy/$3" "$hierarchy"; fi
  done
  mount -t tmpfs none /run
  mkdir -p /run/systemd/system /run/shardfs-test
  export XDG_RUNTIME_DIR=/run/shardfs-test SYSTEMD_UNIT_PATH=$scratch/units:/usr/lib/systemd/user
  /usr/lib/systemd/systemd --user --unit=basic.target --log-target=console >"$scratch/systemd.log" 2>&1 &
  manager=$!
  is_up_or_gone() { [[ -S $XDG_RUNTIME_DIR/systemd/private ]] || ! kill -0 "$manager"; }
  wait_for is_up_or_gone || fail "systemd hangs: $(tail -n 3 "$scratch/systemd.log")"
  kill -0 "$manager" 2>/dev/null || cannot "systemd does not run here: $(tail -n 3 "$scratch/systemd.log")"
  control() { timeout 300 systemctl --user "$@"; }
  state() { control show --property "$1" --value shardfs@r1; }

  # start returns once the view is there.
  control start shardfs@r1 || fail "$(control --no-pager -l status shardfs@r1; cat "$scratch/systemd.log")"
  expect_mounted "$scratch/mount" ro nosuid nodev
  expect_golden "$scratch/mount"
  server=$(state MainPID)
  [[ $(state StatusText) == *"serving $golden/source on $scratch/mount"* ]] || fail "the status is '$(state StatusText)'"
  grep -qE '^NoNewPrivs:\s+1$' "/proc/$server/status" || fail "NoNewPrivileges is not in force"
  grep -qE '^Seccomp:\s+2$' "/proc/$server/status" || fail "the filter of system calls is not in force"

  # Killed, it comes back, and so does the view.
  kill -KILL "$server"
  is_back() { [[ $(state MainPID) != "$server" && $(state ActiveState) == active ]]; }
  wait_for is_back || fail "killed, it does not come back: $(state ActiveState)"
  [[ $(state NRestarts) == 1 ]] || fail "it was started again $(state NRestarts) times"
  expect_golden "$scratch/mount"

  # Stopped, although somebody reads.
  exec {reader}<"$scratch/mount/config.json"
  control stop shardfs@r1 || fail "it does not stop"
  exec {reader}<&-
  [[ $(state Result) == success ]] || fail "stopped, its result is $(state Result)"
  expect_not_mounted "$scratch/mount"

  # What is refused is not tried again.
  sed -i 's/--dp 2/--dp 3/' "$scratch/r1.conf"
  if control start shardfs@r1 2>/dev/null; then fail "wrong sizes are served"; fi
  [[ $(state ExecMainStatus) == 2 && $(state ActiveState) == failed ]] || fail "a refusal is tried again"

  # The tmpfs unit: starts, survives a second start, stops.
  instance=$(systemd-escape --template shardfs-tmpfs@.service --path "$scratch/weights")
  control start "$instance" || fail "$(control --no-pager -l status "$instance")"
  [[ $(findmnt -n -o FSTYPE --mountpoint "$scratch/weights") == tmpfs ]] || fail "no tmpfs on $scratch/weights"
  control stop "$instance"
  expect_not_mounted "$scratch/weights"
  kill "$manager"
  exit 0
fi

# ---- outside ----

# systemd takes the names of programs from the system's own directories; here they are those of this build.
mkdir "$scratch/bin" "$scratch/units"
ln -s "$SHARDFS_EXECUTABLE" "$scratch/bin/shardfs"
ln -s "$root/mount-scripts/shardfs-tmpfs" "$scratch/bin"
for unit in "$root"/mount-scripts/systemd/*.service; do
  sed -E "s|^(Exec[A-Za-z]*=-?)shardfs|\1$scratch/bin/shardfs|; s|/etc/shardfs|$scratch|" "$unit" \
    >"$scratch/units/$(basename "$unit")"
done
echo 'SHARDFS_TMPFS_SIZE=32M' >"$scratch/tmpfs.conf"
cat >"$scratch/r1.conf" <<TEXT
SHARDFS_SOURCE=$golden/source
SHARDFS_MOUNTPOINT=$scratch/mount
SHARDFS_OPTIONS=${golden_sizes[*]} --allow-other
TEXT

# A control group of its own in every hierarchy, which is the root of what systemd sees.
name=shardfs-test-$$
mapfile -t hierarchies < <(findmnt -n -r -o TARGET -t cgroup,cgroup2)
# shellcheck disable=SC2317 # called by the trap
remove_groups() {
  local hierarchy
  for hierarchy in "${hierarchies[@]}"; do
    if [[ -d $hierarchy/$name ]]; then find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true; fi
  done
}
trap 'remove_groups; clean_up' EXIT
code=0
(
  for hierarchy in "${hierarchies[@]}"; do
    mkdir "$hierarchy/$name" 2>/dev/null || continue
    echo "$BASHPID" >"$hierarchy/$name/cgroup.procs" 2>/dev/null || true
  done
  exec unshare --mount --pid --fork --cgroup --kill-child --mount-proc bash "$0" --inside "$scratch" "$name"
) || code=$?
exit "$code"
