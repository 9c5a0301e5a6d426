#!/usr/bin/env bash
# Builds the Debian packages. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: mount-scripts/build-package.sh [--build-dir DIR] OUTPUT

Builds shardfs and writes its Debian packages, shardfs_*.deb and shardfs-dev_*.deb, into the directory OUTPUT.
Install what it is built from first: mount-scripts/install-dependencies.sh

  --build-dir DIR   an existing build to package (default: a new one, optimised, in build-package/)
  --help            this text
TEXT
}

refuse() {
  echo "build-package.sh: $1" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build='' output=''
while (($#)); do
  case $1 in
    --help) usage; exit 0 ;;
    --build-dir)
      (($# > 1)) || refuse "--build-dir needs a directory"
      build=$2
      shift
      ;;
    -*) refuse "there is no option $1 (see --help)" ;;
    *) output=$1 ;;
  esac
  shift
done
[[ -n $output ]] || refuse "where to? give a directory for the packages (see --help)"
mkdir -p "$output"
output=$(realpath "$output")

# The same source gives the same bytes: modes are not those of whoever builds, and times are the commit's, or the
# changelog's where there is no repository.
umask 022
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
  SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null) ||
    SOURCE_DATE_EPOCH=$(date -d "$(sed -n 's/^ -- .*>  //p' "$root/mount-scripts/debian/changelog" | head -n 1)" +%s)
fi
export SOURCE_DATE_EPOCH

if [[ -z $build ]]; then
  build=$root/build-package
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSHARDFS_BUILD_TESTS=OFF
fi
[[ -e $build/CPackConfig.cmake ]] || refuse "$build is no build of shardfs; configure it with cmake first"
build=$(realpath "$build") # cpack runs in it
cmake --build "$build" --target shardfs shardfs_man

# cpack's own working directory lies where the packages come to lie; only those are to stay.
work=$(mktemp -d "$output/.cpack-XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$build" && cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work")
mv "$work"/*.deb "$output"
ls -l "$output"/*.deb
