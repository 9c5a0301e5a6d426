#!/bin/sh
# Installs shardfs from the directory that this script lies in, which is the unpacked tarball. See --help.
set -eu
umask 022 # every user may read and run what is installed, on hosts whose root has a stricter one as well

usage() {
  cat <<'TEXT'
Usage: install.sh [--root DIR] [--uninstall]

Copies the program, its man pages, scripts, completions and systemd units to /usr, where mount(8) and systemd look for
them, and the configuration of logrotate to /etc. Must be run as root. Where the package manager has a package of
shardfs (shardfs_*.deb, shardfs-*.rpm), install that instead.

  --root DIR    put them below DIR (of an image, for example)
  --uninstall   remove what the same tarball has installed; what is mounted stays mounted
  --help        this text
TEXT
}

refuse() {
  echo "install.sh: $1" >&2
  exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
root='' remove=false
while [ $# -gt 0 ]; do
  case $1 in
    --help)
      usage
      exit 0
      ;;
    --uninstall) remove=true ;;
    --root)
      [ $# -gt 1 ] || refuse "--root needs a directory"
      root=${2%/}
      shift
      ;;
    *) refuse "there is no argument $1 (see --help)" ;;
  esac
  shift
done
[ -x "$here/usr/bin/shardfs" ] || refuse "there is no usr/bin/shardfs beside this script; unpack the whole tarball"

files() { (cd "$here" && find usr etc ! -type d); }

if $remove; then
  files | while IFS= read -r file; do rm -f "$root/$file"; done
  # Of directories those that are shardfs' own, the inner ones first.
  (cd "$here" && find usr -depth -type d -path '*/shardfs*') | while IFS= read -r directory; do
    if [ -d "$root/$directory" ]; then rmdir "$root/$directory" || :; fi
  done
  echo "shardfs is removed"
else
  machine=$(uname -m)
  "$here/usr/bin/shardfs" --version >/dev/null 2>&1 ||
    [ -n "$root" ] || refuse "the program does not run here: this machine is $machine, is the tarball of another?"
  files | while IFS= read -r file; do
    mkdir -p "$root/$(dirname "$file")"
    case $file in etc/*) [ ! -e "$root/$file" ] || continue ;; esac # it may have been edited
    # Beside it first: a program that runs cannot be written to, but it can be replaced.
    cp -P "$here/$file" "$root/$file.new"
    if [ ! -h "$here/$file" ]; then # the tarball may have been unpacked with another umask
      if [ -x "$here/$file" ]; then chmod 755 "$root/$file.new"; else chmod 644 "$root/$file.new"; fi
    fi
    mv -f "$root/$file.new" "$root/$file"
  done
fi
if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
if ! $remove; then
  echo "$("$here/usr/bin/shardfs" --version 2>/dev/null || echo shardfs) is installed; \`shardfs doctor\` says what this machine lacks"
fi
