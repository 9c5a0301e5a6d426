#!/usr/bin/env bash
# Builds the static libraries that the static program needs and Debian does not have. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: mount-scripts/build-static-dependencies.sh [--arch ARCH] [--cache DIR] [OUTPUT]

Builds static libraries of fmt, spdlog, oneTBB and xxhash (with its dispatcher), of which Debian has none, or not all,
from Debian's own sources, and installs them with their headers below OUTPUT (default: build-dependencies/ARCH here,
which is where cmake -DSHARDFS_STATIC=ON looks). libfuse3.a and libprotobuf-lite.a are Debian's own
and stay where they are.

  --arch ARCH   amd64 or arm64 (default: this machine's); another one needs install-dependencies.sh --cross
  --cache DIR   built libraries by package and version, so that each is built once (default: build-dependencies/cache)
  --help        this text
TEXT
}

refuse() {
  echo "build-static-dependencies.sh: $1" >&2
  exit 2
}

fail() {
  echo "build-static-dependencies.sh: $1" >&2
  exit 1
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/mount-scripts/archives.sh"
command -v dpkg-source >/dev/null || fail "there is no dpkg-source; run mount-scripts/install-dependencies.sh --tests"

architecture=$(dpkg --print-architecture) cache=$root/build-dependencies/cache output=''
while (($#)); do
  case $1 in
    --help) usage; exit 0 ;;
    --arch | --cache)
      (($# > 1)) || refuse "$1 needs a value"
      if [[ $1 == --arch ]]; then architecture=$2; else cache=$2; fi
      shift
      ;;
    -*) refuse "there is no option $1 (see --help)" ;;
    *) output=$1 ;;
  esac
  shift
done
case $architecture in
  amd64) triplet=x86_64-linux-gnu ;;
  arm64) triplet=aarch64-linux-gnu ;;
  *) refuse "--arch is amd64 or arm64, not '$architecture'" ;;
esac
command -v "$triplet-g++" >/dev/null ||
  fail "there is no $triplet-g++; run mount-scripts/install-dependencies.sh --cross"
output=${output:-$root/build-dependencies/$architecture}
mkdir -p "$output" "$cache"
output=$(realpath "$output") cache=$(realpath "$cache")

work=$(mktemp -d "${TMPDIR:-/tmp}/shardfs-static-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- the recipes: each builds the source in the directory $1 and installs it below $2. Another dependency is another
# recipe and a line in `dependencies`. ----

with_cmake() {
  local source=$1 prefix=$2
  shift 2
  cmake -S "$source" -B "$source/build-static" -G Ninja -DCMAKE_SYSTEM_NAME=Linux \
    -DCMAKE_SYSTEM_PROCESSOR="${triplet%%-*}" -DCMAKE_C_COMPILER="$triplet-gcc" -DCMAKE_CXX_COMPILER="$triplet-g++" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_PREFIX_PATH="$output" -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF \
    -DCMAKE_C_FLAGS="-ffile-prefix-map=$source=." -DCMAKE_CXX_FLAGS="-ffile-prefix-map=$source=." "$@" &&
    cmake --build "$source/build-static" --target install
}

build_fmtlib() { with_cmake "$1" "$2" -DFMT_TEST=OFF -DFMT_DOC=OFF; }

build_spdlog() { with_cmake "$1" "$2" -DSPDLOG_FMT_EXTERNAL=ON -DSPDLOG_BUILD_EXAMPLE=OFF -DSPDLOG_BUILD_TESTS=OFF; }

# Without the part that looks for a shared library on the host (tbbbind), which a static program must not load.
build_onetbb() { with_cmake "$1" "$2" -DTBB_TEST=OFF -DTBBMALLOC_BUILD=OFF -DTBB_STRICT=OFF; }

# Debian's libxxhash.a is without the dispatcher that chooses by processor, which exists for x86 alone.
build_xxhash() {
  local source=$1 prefix=$2 file
  local files=(xxhash)
  if [[ $architecture == amd64 ]]; then files+=(xxh_x86dispatch); fi
  mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
  cd "$source"
  for file in "${files[@]}"; do "$triplet-gcc" -O3 -fPIC -c "$file.c" -o "$file.o"; done
  "$triplet-ar" qcD "$prefix/lib/libxxhash.a" "${files[@]/%/.o}"
  cp xxhash.h xxh_x86dispatch.h "$prefix/include/"
  # shellcheck disable=SC2016 # pkg-config's own variable
  printf '%s\n' 'prefix=${pcfiledir}/../..' 'Name: xxhash' 'Description: fast hashes' 'Version: 0.8.1' \
    'Cflags: -I${prefix}/include' 'Libs: -L${prefix}/lib -lxxhash' >"$prefix/lib/pkgconfig/libxxhash.pc"
}

# The source package, and a binary package of it whose version is the one that is built against here.
dependencies=("fmtlib libfmt-dev" "spdlog libspdlog-dev" "onetbb libtbb-dev" "xxhash libxxhash-dev")

# ---- each of them, unless the cache has it ----

# The source of that version; where the archive has another by now, that one.
get_source() {
  local name=$1 version=$2
  archive_of bookworm "$work/archive" || fail "$archive_failure"
  mkdir -p "$work/$name"
  (cd "$work/$name" && { apt-get "${archive[@]}" source "$name=$version" || apt-get "${archive[@]}" source "$name"; }) \
    >>"$work/log" 2>&1 || fail "the source of $name cannot be had: $(tail -n 3 "$work/log")"
  find "$work/$name" -mindepth 1 -maxdepth 1 -type d
}

for dependency in "${dependencies[@]}"; do
  read -r name binary <<<"$dependency"
  # shellcheck disable=SC2016 # dpkg's own variable
  version=$(dpkg-query -W -f '${source:Version}' "$binary" 2>/dev/null) ||
    fail "the package $binary is not installed; run mount-scripts/install-dependencies.sh"
  built=$cache/$architecture/${name}_${version//:/_}
  if [[ ! -e $built/complete ]]; then
    echo "building $name $version for $architecture"
    source_directory=$(get_source "$name" "$version")
    rm -rf "$built"
    set +e # what follows || would be run without -e, to its last line
    (
      set -e
      "build_$name" "$source_directory" "$built"
    ) >"$work/log" 2>&1
    result=$?
    set -e
    ((result == 0)) || fail "$name $version does not build: $(tail -n 20 "$work/log")"
    touch "$built/complete"
  fi
  cp -a "$built/." "$output/"
done
rm -f "$output/complete"
