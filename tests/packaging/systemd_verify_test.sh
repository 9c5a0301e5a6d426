#!/bin/bash
# systemd itself reads the units without a complaint.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_command systemd-analyze

# A root of its own, because systemd looks for the programs that a unit names.
mkdir -p "$scratch"/system/usr/{bin,sbin,lib/systemd/system} "$scratch/system/etc"
ln -s usr/bin usr/sbin usr/lib "$scratch/system"
for program in shardfs mkdir umount shardfs-tmpfs; do
  printf '#!/bin/sh\n' >"$scratch/system/usr/bin/$program"
  chmod 755 "$scratch/system/usr/bin/$program"
done
units=("$root"/mount-scripts/systemd/*.service)
cp "${units[@]}" "$scratch/system/usr/lib/systemd/system"
cp /usr/lib/systemd/system/*.target "$scratch/system/usr/lib/systemd/system"
for unit in "${units[@]}"; do
  name=$(basename "$unit")
  said=$(SYSTEMD_LOG_LEVEL=notice systemd-analyze verify --man=no --generators=no --root="$scratch/system" \
    "${name/@/@r1}" 2>&1) || fail "systemd-analyze objects to $name: $said"
  if grep -F "${name%@*}" <<<"$said"; then fail "systemd-analyze objects to $name: $said"; fi
done

# A unit that is wrong is objected to, so that the silence above means something.
sed 's/^Type=.*/Type=frobnicate/' "$root/mount-scripts/systemd/shardfs@.service" \
  >"$scratch/system/usr/lib/systemd/system/shardfs-wrong.service"
said=$(systemd-analyze verify --man=no --generators=no --root="$scratch/system" shardfs-wrong.service 2>&1) || true
[[ $said == *frobnicate* ]] || fail "systemd-analyze does not object to Type=frobnicate: $said"
