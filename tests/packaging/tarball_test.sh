#!/bin/bash
# The tarball of a release, as build-release.sh lays it out, with the program of this build: install.sh puts it below a
# root directory, and takes it away again.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
tarball=$scratch/shardfs-x target=$scratch/root
DESTDIR=$tarball cmake --install "$SHARDFS_BUILD_DIR" --component shardfs --strip --prefix /usr >"$scratch/log" 2>&1 ||
  fail "cmake --install: $(tail "$scratch/log")"
install -m 0755 "$root/mount-scripts/install.sh" "$tarball/install.sh"
run_install() { sh "$tarball/install.sh" --root "$target" "$@"; }
files() { (cd "$1" && find . ! -type d | sort); }

# ---- installed: every file, for every user to read, whatever the umask was that unpacked and that installs ----

chmod -R go-rwx "$tarball"
(
  umask 077
  run_install >"$scratch/said"
) || fail "install.sh: $(<"$scratch/said")"
grep -q 'is installed' "$scratch/said" || fail "install.sh says only: $(<"$scratch/said")"
diff <(files "$tarball" | grep -vx ./install.sh) <(files "$target") ||
  fail "other files are installed than the tarball has"
[[ -x $target/usr/bin/shardfs && -x $target/usr/sbin/mount.shardfs && -e $target/etc/logrotate.d/shardfs ]] ||
  fail "the program, mount's helper or logrotate's configuration is missing"
[[ $("$target/usr/bin/shardfs" --version) == "$("$SHARDFS_EXECUTABLE" --version)" ]] ||
  fail "what is installed does not run"
closed=$(cd "$target" && find usr etc -type d ! -perm 755 -o -type f ! -perm 644 ! -perm 755)
[[ -z $closed ]] || fail "these have other modes than 755 and 644: $closed"
while IFS= read -r file; do
  cmp -s "$tarball/$file" "$target/$file" || fail "$file is installed with other bytes"
  [[ ! -x $tarball/$file || -x $target/$file ]] || fail "$file cannot be run where it is installed"
done < <(files "$target")

# ---- again, over what runs and what was edited ----

echo '# edited' >>"$target/etc/logrotate.d/shardfs"
before=$(stat -c %i "$target/usr/bin/shardfs")
run_install >"$scratch/said" || fail "install.sh over itself: $(<"$scratch/said")"
[[ $(stat -c %i "$target/usr/bin/shardfs") != "$before" ]] ||
  fail "the program is written to in place, which fails while it runs"
grep -qx '# edited' "$target/etc/logrotate.d/shardfs" || fail "an edited configuration is overwritten"
[[ -z $(find "$target" -name '*.new') ]] || fail "it leaves $(find "$target" -name '*.new')"

# ---- taken away: what it has installed, and nothing else ----

touch "$target/usr/bin/other"
run_install --uninstall >"$scratch/said" || fail "install.sh --uninstall: $(<"$scratch/said")"
[[ $(files "$target") == ./usr/bin/other ]] || fail "what is left: $(files "$target")"
[[ -z $(find "$target" -type d -name 'shardfs*') ]] ||
  fail "directories are left: $(find "$target" -type d -name 'shardfs*')"

# ---- what it refuses ----

expect_refused 2 'there is no argument --prefix' sh "$tarball/install.sh" --prefix /usr
expect_refused 2 '--root needs a directory' sh "$tarball/install.sh" --root
expect_refused 2 'unpack the whole tarball' sh "$root/mount-scripts/install.sh" --root "$target"
printf '#!/bin/sh\nexit 1\n' >"$tarball/usr/bin/shardfs" # as a program of another architecture ends
expect_refused 2 'is the tarball of another?' sh "$tarball/install.sh"
