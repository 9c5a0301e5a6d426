#!/bin/bash
# The static program where a program with shared libraries would use the host's: all golden cases plainly, in a
# container whose seccomp profile is old, and on a host whose names of users come from modules that are not files.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_static_program
enter_own_mounts
require_command readelf
static=$SHARDFS_STATIC_EXECUTABLE
compile_tool old_seccomp
compile_tool page_tool
# shellcheck disable=SC2034 # golden.sh's
page_tool=$scratch/page_tool
cases=$scratch/cases
"$WRITE_GOLDEN_CASES" "$cases"
(($(ls "$cases" | wc -l) > 20)) || fail "only $(ls "$cases" | wc -l) golden cases were written"

# ---- it needs nothing of the host ----

if readelf --wide --program-headers "$static" | grep -q INTERP; then fail "$static has an interpreter"; fi
if readelf --dynamic "$static" | grep NEEDED; then fail "$static needs shared libraries"; fi
readelf --file-header "$static" | grep -q 'Type: *DYN' || fail "$static is not position-independent"
[[ $("$static" --version) == "$("$SHARDFS_EXECUTABLE" --version)" ]] || fail "the static program is of another version"

# ---- plainly, and under an old seccomp profile ----

mounting=()
if { : <>/dev/fuse; } 2>/dev/null; then mounting=(mount); fi
run_golden_cases "${mounting[@]}" "$static"
# The profile itself: of the calls that it refuses, one is seen to be.
if "$scratch/old_seccomp" "$SHARDFS_EXECUTABLE" plan "$golden/source" "${golden_sizes[@]}" >"$scratch/said" 2>&1; then
  echo "this C library makes threads without clone3, so the profile proves little here"
fi
run_golden_cases "${mounting[@]}" "$scratch/old_seccomp" "$static"

# ---- names of users and groups ----

# Every module that is asked before the files, and for what the files do not have.
printf '%s: compat systemd sss ldap files\n' passwd group initgroups >"$scratch/nsswitch.conf"
mount --bind "$scratch/nsswitch.conf" /etc/nsswitch.conf
mkdir "$scratch/mount"
chmod 0755 "$scratch"
cp -r "$golden/source" "$scratch/source"
chmod -R a+rX "$scratch/source"
for account in nobody:nogroup nobody 65534:65534 4711:4711; do
  ((${#mounting[@]})) || break
  "$static" mount "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" --allow-other --run-as "$account" >"$scratch/said" 2>&1 ||
    fail "--run-as $account: $(<"$scratch/said")"
  expect_golden "$scratch/mount"
  "$static" umount "$scratch/mount" || fail "--run-as $account: it cannot be unmounted"
done
"$static" doctor "$golden/source" >"$scratch/said" 2>&1 || (($? < 128)) || fail "doctor ends with a signal: $(<"$scratch/said")"
expect_refused 2 "no user 'no-such-user' in /etc/passwd, and this program, which is linked statically, asks neither LDAP nor SSSD; give the number, which \`getent passwd no-such-user\` shows" \
  "$static" mount "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" --run-as no-such-user
expect_refused 2 "no group 'no-such-group' in /etc/group" \
  "$static" mount "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" --run-as nobody:no-such-group
# The other program asks whatever the host has, and says so.
expect_refused 2 "no user 'no-such-user' on this machine" \
  "$SHARDFS_EXECUTABLE" mount "$scratch/source" "$scratch/mount" "${golden_sizes[@]}" --run-as no-such-user
