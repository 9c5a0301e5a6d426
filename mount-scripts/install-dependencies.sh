#!/usr/bin/env bash
# Installs the Debian packages that shardfs is built from. Does nothing when all are there, says nothing unless it fails.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: mount-scripts/install-dependencies.sh [--tests] [--platforms] [--release] [--cross] [--browser] [--clean-machine]

Installs, with apt, the packages that building and running shardfs needs (Debian 12 or later).
Runs apt with sudo unless it is started by root.

  --tests         also what building and running the tests needs
  --platforms     also what tests/run.sh --platforms needs, which is --release and --cross as well
  --release       also what build-release.sh needs
  --cross         also what building for aarch64 and running that here needs; lets dpkg install packages of arm64
  --browser       also what the test of the page in a browser needs; without it that test is skipped
  --clean-machine also what tests/packaging/clean_machine.sh needs
  --help          this text
EOF
}

packages=(
  g++ cmake ninja-build pkg-config
  libfuse3-dev fuse3
  libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libtbb-dev libxxhash-dev libssl-dev zlib1g-dev
  libprotobuf-dev protobuf-compiler
)
test_packages=(
  clang libclang-rt-14-dev libgtest-dev libgmock-dev libbenchmark-dev libyaml-cpp-dev attr diffutils util-linux mount
  dpkg-dev groff zsh fish qemu-system-x86 busybox-static cpio python3 python3-yaml
)
release_packages=(dpkg-dev rpm lintian rpmlint)
cross_packages=(
  g++-aarch64-linux-gnu dpkg-dev qemu-user-static libfuse3-dev:arm64 libprotobuf-dev:arm64 libssl-dev:arm64
  zlib1g-dev:arm64
)
platform_packages=(
  qemu-system-arm qemu-system-x86 cpio xz-utils e2fsprogs make flex bison bc libgtest-dev:arm64 libgmock-dev:arm64
)
browser_packages=(nodejs npm chromium)
clean_machine_packages=(mmdebstrap)

cross=false
while (($#)); do
  case $1 in
    --tests) packages+=("${test_packages[@]}") ;;
    --platforms)
      packages+=("${platform_packages[@]}" "${release_packages[@]}" "${cross_packages[@]}")
      cross=true
      ;;
    --release) packages+=("${release_packages[@]}") ;;
    --cross)
      packages+=("${cross_packages[@]}")
      cross=true
      ;;
    --browser) packages+=("${browser_packages[@]}") ;;
    --clean-machine) packages+=("${clean_machine_packages[@]}") ;;
    --help) usage; exit 0 ;;
    *)
      echo "install-dependencies.sh: unknown argument '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install-dependencies.sh: there is no apt here; install what Debian calls: ${packages[*]}" >&2
  exit 1
fi

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install-dependencies.sh: not root and no sudo; as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Waits for another apt to finish, and asks no questions.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 </dev/null
}

# sudo's own question, if it has one, before output goes to the log.
if ((${#as_root[@]})); then sudo -v; fi

if $cross && ! dpkg --print-foreign-architectures | grep -qx arm64; then "${as_root[@]}" dpkg --add-architecture arm64; fi
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  cat "$log" >&2
  echo "install-dependencies.sh: apt could not install ${missing[*]}; its messages are above" >&2
  exit 1
fi
