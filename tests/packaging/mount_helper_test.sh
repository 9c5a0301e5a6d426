#!/bin/bash
# mount -t shardfs, lines of /etc/fstab, and umount, with mount.shardfs in a copy of /sbin and a copy of /etc/fstab.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
enter_own_mounts
require_fuse

# mount(8) looks for the helper in /sbin and nowhere else.
mkdir "$scratch/sbin" "$scratch/mount" "$scratch/second"
sbin=$(realpath /sbin)
mount --bind "$sbin" "$scratch/sbin"
mount -t tmpfs none "$sbin"
ln -s "$scratch"/sbin/* "$sbin"
ln -sf "$SHARDFS_EXECUTABLE" "$sbin/mount.shardfs"
ln -sf "$SHARDFS_EXECUTABLE" "$sbin/mount.fuse.shardfs"
touch "$scratch/fstab"
mount --bind "$scratch/fstab" /etc/fstab

sizes=dp=2,tp=2,moe_tp=2,moe_ep=2,mtp

# By hand.
mount -t shardfs -o "$sizes,allow_other,uid=1001,gid=1002" "$golden/source" "$scratch/mount"
expect_mounted "$scratch/mount" ro nosuid nodev noexec allow_other default_permissions
expect_golden "$scratch/mount"
[[ $(stat -c '%u:%g %a' "$scratch/mount/config.json") == '1001:1002 440' ]] || fail "owner or mode is not what was asked"
umount "$scratch/mount"
expect_not_mounted "$scratch/mount"

# From fstab, with what such lines have.
cat >"$scratch/fstab" <<TEXT
$golden/source $scratch/mount shardfs $sizes,noauto,nofail,_netdev,user,x-systemd.automount,x-systemd.idle-timeout=60,fidelity=sharder 0 0
$golden/source $scratch/second shardfs defaults,ro,$sizes,uid=root 0 0
TEXT
mount "$scratch/mount"
expect_golden "$scratch/mount"
umount "$scratch/mount"
expect_not_mounted "$scratch/mount"
mount -a -t shardfs
expect_not_mounted "$scratch/mount" # noauto
expect_golden "$scratch/second"
mount -a -t shardfs # finds it mounted
[[ $(findmnt -n --mountpoint "$scratch/second" | wc -l) == 1 ]] || fail "mount -a mounted a second time"
umount -a -t fuse.shardfs
expect_not_mounted "$scratch/second"

# By the type that the kernel shows: a line of /proc/mounts may be copied into /etc/fstab.
mount -t fuse.shardfs -o "$sizes" "$golden/source" "$scratch/mount"
expect_golden "$scratch/mount"
expect_refused 1 'remount: a mounted view cannot be changed; unmount it' mount -o remount,dp=4 "$scratch/mount"
umount "$scratch/mount"
expect_not_mounted "$scratch/mount"
echo "$golden/source $scratch/mount fuse.shardfs ro,$sizes,nofail 0 0" >>"$scratch/fstab"
sed -i '1d' "$scratch/fstab" # the mountpoint is in the second line as well
mount "$scratch/mount"
expect_golden "$scratch/mount"
umount "$scratch/mount"

# mount.fuse3, which serves such a type where that helper is not installed, calls the program itself.
if [[ -e $sbin/mount.fuse3 ]]; then
  rm "$sbin/mount.fuse.shardfs"
  mkdir "$scratch/bin"
  ln -s "$SHARDFS_EXECUTABLE" "$scratch/bin/shardfs"
  PATH=$scratch/bin:$PATH "$sbin/mount.fuse3" "$golden/source" "$scratch/mount" -t fuse.shardfs -o "rw,$sizes,nofail"
  expect_golden "$scratch/mount"
  umount "$scratch/mount"
fi

# Labels of SELinux, as mount(8) passes them: with quotes, and commas inside.
if ! grep -q selinuxfs /proc/filesystems; then
  for option in context fscontext defcontext rootcontext; do
    said=$(mount -t shardfs -o "$sizes,$option=\"system_u:object_r:container_file_t:s0:c1,c2\"" "$golden/source" \
      "$scratch/mount" 2>&1)
    # mount(8) itself may take them away.
    [[ -z $said || $said == *"SELinux is not enabled in this kernel"*"$option="*c1,c2* ]] || fail "$option: $said"
    expect_golden "$scratch/mount"
    umount "$scratch/mount"
  done
fi

# Options of the command line come after those of fstab, and win.
expect_refused 1 'world size' mount -o moe_ep=4 "$scratch/mount"

# Refusals, with mount's own exit codes.
expect_refused 1 "there is no mount option 'frobnicate=1'" \
  mount -t shardfs -o "$sizes,frobnicate=1" "$golden/source" "$scratch/mount"
expect_refused 1 "there is no mount option 'moetp=2'; did you mean moe_tp?" \
  mount -t shardfs -o "dp=2,moetp=2" "$golden/source" "$scratch/mount"
expect_refused 1 "mtp is 'garbage', and must be true or false" \
  mount -t shardfs -o "dp=2,mtp=garbage" "$golden/source" "$scratch/mount"
expect_refused 1 'dp needs a value' mount -t shardfs -o dp "$golden/source" "$scratch/mount"
expect_refused 32 'does not exist' mount -t shardfs -o "$sizes" "$golden/none" "$scratch/mount"
mkdir "$scratch/damaged"
echo '{}' >"$scratch/damaged/config.json"
expect_refused 32 'shardfs: ' mount -t shardfs -o "$sizes" "$scratch/damaged" "$scratch/mount"
expect_not_mounted "$scratch/mount"

# -s passes over what there is not, -f only looks, -v shows.
mount -f -t shardfs -o "$sizes" "$golden/source" "$scratch/mount"
expect_not_mounted "$scratch/mount"
shown=$("$sbin/mount.shardfs" "$golden/source" "$scratch/mount" -sv -o "frobnicate,$sizes")
[[ $shown == "shardfs mount -O dp=2 -O tp=2 -O moe_tp=2 -O moe_ep=2 --mtp -- $golden/source $scratch/mount" ]] ||
  fail "-v shows: $shown"
expect_golden "$scratch/mount"
umount "$scratch/mount"
