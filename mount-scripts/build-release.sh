#!/usr/bin/env bash
# Builds everything that a release consists of. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: mount-scripts/build-release.sh [--arch ARCH]... OUTPUT

Builds shardfs without shared libraries for x86-64 and aarch64, and writes into the directory OUTPUT, for each:

  shardfs-VERSION-ARCH.tar.gz       for any Linux: the program, man pages, scripts, units, and install.sh
  shardfs_VERSION_ARCH.deb          for Debian and Ubuntu
  shardfs-VERSION-1.ARCH.rpm        for openEuler, Kylin and all others that rpm installs
  shardfs-VERSION-ARCH.oci.tar      a container image (docker load, podman load, ctr images import)

and SHA256SUMS. Needs Debian 12 on amd64 and a mirror of it; installs what it builds with, as root or by sudo. The same
commit gives the same bytes, on any day and in any directory: SOURCE_DATE_EPOCH is the commit's time unless it is set.

  --arch ARCH   amd64 or arm64; may be given twice (default: both)
  --help        this text
TEXT
}

refuse() {
  echo "build-release.sh: $1" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/mount-scripts/archives.sh"
architectures=() output=''
while (($#)); do
  case $1 in
    --help) usage; exit 0 ;;
    --arch)
      [[ ${2:-} == amd64 || ${2:-} == arm64 ]] || refuse "--arch is amd64 or arm64, not '${2:-}'"
      architectures+=("$2")
      shift
      ;;
    -*) refuse "there is no option $1 (see --help)" ;;
    *) output=$1 ;;
  esac
  shift
done
[[ -n $output ]] || refuse "where to? give a directory for the files (see --help)"
((${#architectures[@]})) || architectures=(amd64 arm64)
mkdir -p "$output"
output=$(realpath "$output")

if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
  SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null) ||
    refuse "$root is no git checkout whose commit has a time; set SOURCE_DATE_EPOCH"
fi
export SOURCE_DATE_EPOCH
umask 022

dependencies=(--release)
if [[ " ${architectures[*]} " == *' arm64 '* ]]; then dependencies+=(--cross); fi
"$root/mount-scripts/install-dependencies.sh" "${dependencies[@]}"

work=$(mktemp -d "$output/.release-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Configures and builds in the directory $2. Where that lies is only in debug information, which is stripped.
build() {
  local architecture=$1 build=$2
  local settings=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DSHARDFS_STATIC=ON -DSHARDFS_BUILD_TESTS=OFF
    -DCMAKE_INSTALL_LIBDIR=lib)
  if [[ $architecture == amd64 ]]; then
    settings+=(-DCMAKE_COMPILE_WARNING_AS_ERROR=ON) # compiled as the tests are
  else
    settings+=("-DCMAKE_TOOLCHAIN_FILE=$root/mount-scripts/cmake/aarch64.cmake")
  fi
  "$root/mount-scripts/build-static-dependencies.sh" --arch "$architecture"
  cmake -S "$root" -B "$build" -G Ninja "${settings[@]}" >"$work/cmake.log" || refuse "cmake: $(tail "$work/cmake.log")"
  cmake --build "$build" --target shardfs shardfs_man
}

# cpack's own working directory is $work; only the packages are to stay.
make_packages() {
  local build=$1
  (cd "$build" && cpack -G "DEB;RPM" --config "$build/CPackConfig.cmake" -B "$work/cpack") >"$work/cpack.log" 2>&1 ||
    refuse "cpack: $(tail "$work/cpack.log")"
  mv "$work"/cpack/*.deb "$work"/cpack/*.rpm "$output"
  rm -rf "$work/cpack"
}

make_tarball() {
  local build=$1 name=$2
  DESTDIR=$work/$name cmake --install "$build" --component shardfs --strip --prefix /usr >"$work/install.log"
  install -m 0755 "$root/mount-scripts/install.sh" "$work/$name/install.sh"
  pack "$work" "$name" | gzip -9 -n >"$output/$name.tar.gz"
}

for architecture in "${architectures[@]}"; do
  build=$root/build-release-$architecture
  build "$architecture" "$build"
  version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
  case $architecture in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
  esac
  make_packages "$build"
  make_tarball "$build" "shardfs-$version-$machine"
  "$root/mount-scripts/build-image.sh" --arch "$architecture" --version "$version" "$work/shardfs-$version-$machine" \
    "$output/shardfs-$version-$machine.oci.tar"
done

(cd "$output" && find . -maxdepth 1 -type f -name 'shardfs[-_]*' -printf "%f\n" | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
ls -l "$output"
