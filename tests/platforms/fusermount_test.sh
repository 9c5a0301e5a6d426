#!/bin/bash
# A host that has FUSE 2's fusermount and no fusermount3, and one that has neither, for users other than root.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
enter_own_mounts
require_fuse
require_command setpriv
helper=$(command -v fusermount3) || skip "there is no fusermount3 here"

chmod 0755 "$scratch"
mkdir "$scratch/bin" "$scratch/mount"
cp -r "$golden/source" "$scratch/source"
chmod -R a+rX "$scratch/source"
cp "$SHARDFS_EXECUTABLE" "$scratch/bin/shardfs"
chown nobody "$scratch/mount"
user=(setpriv --reuid nobody --regid nogroup --clear-groups env "PATH=$scratch/bin:/usr/bin:/bin")
as_nobody() { "${user[@]}" "$@"; }
# For anybody, as on most machines; here only, and in no file system that forbids devices.
mknod -m 0666 "$scratch/bin/fuse" c 10 229 && mount --bind "$scratch/bin/fuse" /dev/fuse || true
as_nobody bash -c ': <>/dev/fuse' 2>/dev/null || skip "only root may open /dev/fuse here"

# Both speak the same protocol, so the one that is here stands for the other under its name. SHARDFS_TEST_FUSERMOUNT is
# a real one to take instead.
install -o root -m 4755 "${SHARDFS_TEST_FUSERMOUNT:-$helper}" "$scratch/bin/fusermount"
for place in "$(realpath "$helper")" /usr/bin/fusermount /usr/local/bin/fusermount3; do
  [[ ! -e $place ]] || mount --bind /dev/null "$place" # /dev/null cannot be run
done

as_nobody shardfs mount "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" 2>"$scratch/said" ||
  fail "mounting by fusermount: $(<"$scratch/said")"
expect_mounted "$scratch/mount" ro nosuid nodev
as_nobody shardfs verify "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" >"$scratch/said" 2>&1 ||
  fail "the view that fusermount mounted differs: $(<"$scratch/said")"
as_nobody shardfs umount "$scratch/mount" || fail "fusermount does not unmount"
expect_not_mounted "$scratch/mount"

# A server that is told to end unmounts by itself.
"${user[@]}" shardfs mount --foreground "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" 2>"$scratch/log" &
server=$!
wait_for findmnt --mountpoint "$scratch/mount" || fail "nothing is mounted: $(<"$scratch/log")"
wait_for as_nobody head -c 1 "$scratch/mount/config.json" || fail "the view does not answer: $(<"$scratch/log")"
kill -TERM "$server"
wait "$server" || fail "the server ends with $?: $(<"$scratch/log")"
expect_not_mounted "$scratch/mount"

# Neither: the package is named, with what installs it here.
rm "$scratch/bin/fusermount"
expect_refused 1 "fusermount3 is not installed, and without it only root can mount and unmount; $(
  as_nobody shardfs doctor "$scratch/source" "$scratch/mount" | sed -n 's/.*fusermount3: is not installed.*do: //p'
)" as_nobody shardfs mount "$scratch/source" "$scratch/mount" "${golden_sizes[@]}"
[[ $(as_nobody shardfs doctor "$scratch/source" "$scratch/mount") == *'fusermount3: is not installed, so only root can mount; do: '*fuse3* ]] ||
  fail "doctor does not name the package fuse3"
