# Run in the root directory of a Debian 11: installs the .deb, then the tarball, and runs every golden case with each.
# shellcheck shell=bash
set -euo pipefail
# shellcheck disable=SC2034 # golden.sh's
program=shardfs page_tool=page_tool cases=/cases work=/tmp/work
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

all_files >/tmp/before
dpkg -i /shardfs_*.deb >/dev/null
all_cases "shardfs_*.deb"
dpkg -P shardfs >/dev/null
all_files >/tmp/after
diff /tmp/before /tmp/after || { echo "dpkg -P leaves these files" >&2; exit 1; }

tar -C /tmp -xf /shardfs-*.tar.gz
/tmp/shardfs-*/install.sh
all_cases "the tarball"
/tmp/shardfs-*/install.sh --uninstall
all_files >/tmp/after
diff /tmp/before /tmp/after | grep '/shardfs' && { echo "install.sh --uninstall leaves these files" >&2; exit 1; }
exit 0
