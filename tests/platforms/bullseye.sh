# Run in the root directory of a Debian 11: installs the .deb, then the tarball, and runs every golden case with each.
# shellcheck shell=bash
set -euo pipefail
unset TMPDIR # the caller's may not exist here
# shellcheck disable=SC2034 # golden.sh's
program=shardfs page_tool=page_tool cases=/cases
work=$(mktemp -d)
failures=0
bad() {
  echo "FAILED: $1" >&2
  failures=$((failures + 1))
}
# shellcheck source-path=SCRIPTDIR
source /golden.sh
all_cases() {
  mkdir -p "$work"
  for directory in /cases/*/; do
    golden_materialize "$(basename "$directory")"
    golden_mount "$(basename "$directory")"
  done
  ((failures == 0)) || exit 1
  echo "$1: $(ls /cases | wc -l) cases, C library $(ldd --version | sed -n '1s/.* //p')"
}

all_files() { find / -xdev \( -path /proc -o -path /tmp -o -path /var \) -prune -o -print | sort; }

all_files >"$work/before"
dpkg -i /shardfs_*.deb >/dev/null
all_cases "shardfs_*.deb"
dpkg -P shardfs >/dev/null
all_files >"$work/after"
diff "$work/before" "$work/after" || { echo "dpkg -P leaves these files" >&2; exit 1; }

tar -C "$work" -xf /shardfs-*.tar.gz
"$work"/shardfs-*/install.sh
all_cases "the tarball"
"$work"/shardfs-*/install.sh --uninstall
all_files >"$work/after"
diff "$work/before" "$work/after" | grep '/shardfs' && { echo "install.sh --uninstall leaves these files" >&2; exit 1; }
exit 0
