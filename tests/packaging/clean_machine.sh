#!/usr/bin/env bash
# Installs the package on a clean Debian 12 and serves a checkpoint from /etc/fstab there. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/packaging/clean_machine.sh [--build-dir DIR] [--suite NAME] [--mirror URL] [--keep]

Makes a root directory with the essential packages of Debian and nothing else, and does there what the README says:
installs the package (with apt, and with dpkg -i), adds a line to /etc/fstab, mounts, compares every byte with the
checkpoint, reads the man pages, unmounts, and removes the package. Whatever goes otherwise than it should ends the test
with exit code 1. It runs in mount and process namespaces of its own, and leaves nothing behind.

Needs root, /dev/fuse, a Debian mirror, 3 GB of disk, and what `mount-scripts/install-dependencies.sh --tests
--clean-machine` installs. Takes about a minute with a built package.

  --build-dir DIR   a build of shardfs and make_checkpoint to package (default: build, which is built if need be)
  --suite NAME      the release to install (default: bookworm, which is Debian 12)
  --mirror URL      where its packages come from (default: what mmdebstrap takes)
  --keep            leave the root directory there for a look
  --help            this text
TEXT
}

refuse() {
  echo "clean_machine.sh: $1" >&2
  exit 2
}

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

step() { printf '\n== %s\n' "$1"; }

# Shows a command line and runs it with its output indented.
run() {
  printf '$ %s\n' "$1"
  bash -o pipefail -c "$1" </dev/null 2>&1 | sed 's/^/    /' || fail "$1"
}

# The same for a command whose output is of interest only when it fails.
run_quietly() {
  local output
  printf '$ %s\n' "$1"
  output=$(bash -c "$1" </dev/null 2>&1) || fail "$1"$'\n'"$output"
}

# ---- on the clean machine: the second half of this script, in namespaces and a root directory of its own ----

# Every file but the books of apt and dpkg, caches, and what is not on the disk or lasts as long as the machine runs.
all_files() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /models -o -path /packages \
    -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg \) -prune -o -print | sort
}

is_mounted() { grep -q " /mnt/r1 fuse.shardfs " /proc/self/mounts; }

# The processes of the program; a machine this clean has no pgrep.
daemons() { readlink /proc/[0-9]*/exe 2>/dev/null | grep -c '^/usr/bin/shardfs$' || true; }

use_view() {
  step "Mount a line of /etc/fstab"
  mkdir -p /mnt/r1
  local options=dp=2,tp=8,moe_tp=4,moe_ep=4,mtp,allow_other,uid=1001,gid=1001,nofail
  echo "/models/demo  /mnt/r1  shardfs  $options  0  0" >>/etc/fstab
  run 'tail -n 1 /etc/fstab'
  run 'mount /mnt/r1'
  is_mounted || fail "nothing is mounted on /mnt/r1"
  run 'grep /mnt/r1 /proc/self/mounts'
  run 'ls -C -w 110 /mnt/r1'
  run 'shardfs status /mnt/r1'

  step "Compare it with the checkpoint, and with what materialize writes"
  run "shardfs verify /models/demo /mnt/r1 $cut"
  run "shardfs materialize /models/demo /tmp/r1 $cut"
  run "diff -r --exclude='.shardfs-*' /mnt/r1 /tmp/r1 && echo no difference"
  rm -rf /tmp/r1

  step "Unmount, and mount by the type that /proc/mounts shows"
  run 'umount /mnt/r1'
  run 'sed -i "$ s/ shardfs / fuse.shardfs /" /etc/fstab && mount /mnt/r1'
  is_mounted || fail "nothing is mounted on /mnt/r1 by its type fuse.shardfs"
  run 'umount /mnt/r1'
  if is_mounted; then fail "/mnt/r1 is still mounted"; fi
  for ((tenth = 0; tenth < 1200; ++tenth)); do
    (($(daemons) == 0)) && break
    sleep 0.1
  done
  (($(daemons) == 0)) || fail "a daemon is still there two minutes after umount"
  sed -i '$ d' /etc/fstab
  rmdir /mnt/r1
}

read_man_pages() {
  local page title
  step "Read the man pages"
  for page in /usr/share/man/man[18]/*shardfs*; do
    page=$(basename "$page" .gz)
    # man's own messages go to its output with col's: an empty page is what fails.
    title=$(man -P cat "${page##*.}" "${page%.*}" 2>/dev/null | sed -n '/^NAME/ { n; s/^ *//; p }')
    [[ $title == "${page%.*} "* ]] || fail "man ${page##*.} ${page%.*} shows '$title'"
    echo "    $title"
  done
}

on_the_clean_machine() {
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 MANWIDTH=150
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  local depends
  run "sed -n 's/^PRETTY_NAME=//p' /etc/os-release; dpkg-query -W | wc -l | sed 's/\$/ packages/'"
  run_quietly 'apt-get update'

  step "Install with apt, and take it away again"
  run_quietly 'apt-get install -y --no-install-recommends /packages/shardfs_*.deb'
  run 'shardfs --version'
  run_quietly 'apt-get purge -y --autoremove shardfs'
  if all_files | grep shardfs; then fail "apt-get purge leaves these files behind"; fi

  step "Install with dpkg -i, after what the package depends on"
  depends=$(dpkg-deb -f /packages/shardfs_*.deb Depends | sed -E 's/ *\([^)]*\)//g; s/,/ /g')
  run_quietly "apt-get install -y --no-install-recommends man-db $depends"
  all_files >/tmp/before
  run 'dpkg -i /packages/shardfs_*.deb'
  run 'shardfs doctor /models/demo || true'

  use_view
  read_man_pages

  step "Remove the package"
  run 'dpkg -r shardfs'
  run 'dpkg -P shardfs'
  if dpkg-query -W shardfs >/dev/null 2>&1; then fail "dpkg still knows the package"; fi
  all_files >/tmp/after
  diff /tmp/before /tmp/after >/tmp/differences || fail "removing the package leaves other files: $(</tmp/differences)"
  echo '    every file is as it was'
}

cut='--dp 2 --tp 8 --moe-tp 4 --moe-ep 4 --mtp'
if [[ ${1:-} == --inside ]]; then
  on_the_clean_machine
  exit
fi

# Called by unshare, before it is the clean machine: gives the root directory $1 what a kernel and udev would.
if [[ ${1:-} == --enter ]]; then
  machine=$2
  mount --bind "$machine" "$machine" # so that its root is a mount, as everywhere
  mount -t proc proc "$machine/proc"
  mount -t sysfs -o ro sysfs "$machine/sys"
  mount -t tmpfs -o mode=0755 tmpfs "$machine/dev"
  for device in fuse null zero full random urandom tty; do
    : >"$machine/dev/$device"
    mount --bind "/dev/$device" "$machine/dev/$device"
  done
  ln -s /proc/self/fd "$machine/dev/fd"
  exec chroot "$machine" bash /clean_machine.sh --inside
fi

# ---- here ----

build='' suite=bookworm mirror='' keep=false
while (($#)); do
  case $1 in
    --help) usage; exit 0 ;;
    --keep) keep=true ;;
    --build-dir | --suite | --mirror)
      (($# > 1)) || refuse "$1 needs a value"
      case $1 in
        --build-dir) build=$2 ;;
        --suite) suite=$2 ;;
        --mirror) mirror=$2 ;;
      esac
      shift
      ;;
    *) refuse "there is no option $1 (see --help)" ;;
  esac
  shift
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
((EUID == 0)) || refuse "only root may make a root directory and mount in it: run this as root"
{ : <>/dev/fuse; } 2>/dev/null ||
  refuse "/dev/fuse cannot be opened: in a container, start that with --device /dev/fuse --cap-add SYS_ADMIN"
command -v mmdebstrap >/dev/null ||
  refuse "there is no mmdebstrap: run mount-scripts/install-dependencies.sh --tests --clean-machine"

work=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/shardfs-clean-XXXXXX")")
clean_up() {
  if $keep; then
    echo "the root directory is $work/machine"
  else
    rm -rf --one-file-system "$work"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step "Build the package and a checkpoint to serve"
if [[ -z $build ]]; then
  build=$root/build
  [[ -e $build/CMakeCache.txt ]] || run_quietly "cmake -S '$root' --preset default"
fi
run_quietly "cmake --build '$build' --target shardfs make_checkpoint"
run "'$root/mount-scripts/build-package.sh' --build-dir '$build' '$work/packages' | tail -n 2 | sed 's:$work/::'"

step "Make a clean machine: the essential packages of $suite, and apt"
run_quietly "mmdebstrap --variant=minbase '$suite' '$work/machine' $mirror"
cp "${BASH_SOURCE[0]}" "$work/machine/clean_machine.sh"
mv "$work/packages" "$work/machine/packages"
cp -L /etc/resolv.conf "$work/machine/etc/resolv.conf"
mkdir "$work/machine/models"
run "'$build/tests/tools/make_checkpoint' '$work/machine/models/demo' | sed 's:$work/machine::'"

# What runs on the clean machine ends with this script, and its mounts with the last process in their namespace.
unshare --mount --propagation private --pid --fork --kill-child bash "${BASH_SOURCE[0]}" --enter "$work/machine"
if grep -F "$work" /proc/self/mountinfo; then fail "a mount is left"; fi
printf '\nThe package serves a checkpoint on a clean machine, and goes away without a trace.\n'
