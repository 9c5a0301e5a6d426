# The rows of run.sh that are about what a release consists of; sourced by row.sh.
# shellcheck shell=bash
artefacts=$root/build-release
commit=$(git -C "$root" rev-parse HEAD) # of both builds, whatever is committed meanwhile

# Built from a clean clone of the commit that is checked out, in a directory of its own; $1 is where it lies.
build_clone() {
  local place=$1 output=$2
  rm -rf "$place"
  git clone -q "$root" "$place" || fail "the repository cannot be cloned"
  git -C "$place" checkout -q --detach "$commit"
  "$place/mount-scripts/build-release.sh" "$output" >"$scratch/release.log" 2>&1 ||
    fail "build-release.sh: $(tail "$scratch/release.log")"
  rm -rf "$place" # two builds with their debug information take gigabytes
}

require_artefacts() {
  [[ -e $artefacts/SHA256SUMS ]] || build_clone "$scratch/shardfs" "$artefacts"
  (cd "$artefacts" && sha256sum --quiet -c SHA256SUMS) || fail "$artefacts does not hold what its SHA256SUMS says"
}

# Twice, from directories of different names and depths. The second build compiles everything, whatever compiler cache
# this machine uses: one that took the objects of the first would prove nothing.
release_row_release() {
  rm -rf "$artefacts"
  build_clone "$scratch/shardfs" "$artefacts"
  check_artefacts
  CCACHE_DISABLE=1 build_clone "$scratch/other/place" "$scratch/again"
  diff "$artefacts/SHA256SUMS" "$scratch/again/SHA256SUMS" || fail "a second build gives other bytes"
  echo "the same bytes twice: $(wc -l <"$artefacts/SHA256SUMS") files"
}

check_artefacts() {
  local file machine
  require_command lintian
  for file in "$artefacts"/*.deb; do
    lintian --fail-on error "$file" >"$scratch/lintian" 2>&1 || fail "lintian: $(<"$scratch/lintian")"
  done
  if command -v rpmlint >/dev/null; then
    for file in "$artefacts"/*.rpm; do
      rpmlint -r "$root/mount-scripts/rpm/rpmlintrc" "$file" >"$scratch/rpmlint" 2>&1 || true
      if grep -E ': E: ' "$scratch/rpmlint"; then fail "rpmlint finds errors in $file"; fi
    done
  else
    echo "there is no rpmlint, so it is not asked"
  fi
  (cd "$artefacts" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS names other bytes"
  diff <(find "$artefacts" -type f ! -name SHA256SUMS -printf '%f\n' | sort) <(cut -d ' ' -f 3 "$artefacts/SHA256SUMS" | sort) ||
    fail "SHA256SUMS names other files"
  for machine in x86_64:amd64 aarch64:arm64; do
    check_names "${machine%:*}" "${machine#*:}"
    check_tarball "${machine%:*}" "${machine#*:}"
    check_image "${machine%:*}" "${machine#*:}"
  done
}

# The right architecture, by name, in the package's own words, and of the program inside.
check_names() {
  local machine=$1 debian=$2 version deb rpm
  version=$("$SHARDFS_EXECUTABLE" --version | cut -d ' ' -f 2)
  deb=$artefacts/shardfs_${version}_$debian.deb rpm=$artefacts/shardfs-$version-1.$machine.rpm
  [[ $(dpkg-deb -f "$deb" Architecture) == "$debian" ]] || fail "$deb is for $(dpkg-deb -f "$deb" Architecture)"
  [[ $(dpkg-deb -f "$deb" Depends) == mount && $(dpkg-deb -f "$deb" Recommends) == 'fuse3 | fuse' ]] ||
    fail "$deb depends on other packages: $(dpkg-deb -f "$deb" Depends Recommends)"
  [[ $(rpm -qp --qf '%{NAME} %{VERSION} %{ARCH} %{LICENSE} %{PAYLOADCOMPRESSOR}' "$rpm" 2>/dev/null) == "shardfs $version $machine Apache-2.0 gzip" ]] ||
    fail "$rpm says of itself: $(rpm -qip "$rpm")"
  if rpm -qp --requires "$rpm" 2>/dev/null | grep -vE '^(bash|util-linux|/bin/sh|rpmlib\(.*|config\(shardfs\).*)'; then
    fail "$rpm needs something else than bash and util-linux"
  fi
  if rpm -qlp "$rpm" 2>/dev/null | grep -E '^(/usr|/usr/s?bin|/etc|/usr/share|/usr/share/man/man.|/usr/lib/systemd(/system)?)$'; then
    fail "$rpm owns directories of the system"
  fi
  dpkg-deb -x "$deb" "$scratch/unpacked-$debian"
  readelf -h "$scratch/unpacked-$debian/usr/bin/shardfs" | grep -qi "Machine:.*\(${machine/x86_64/X86-64}\)" || fail "$deb holds a program of another machine"
}

# The tarball has the program that the .deb has, and its install.sh puts everything below a root directory, of the other
# architecture too.
check_tarball() {
  local machine=$1 debian=$2 tree target=$scratch/installed-$2
  tar -C "$scratch" -xf "$artefacts"/shardfs-*-"$machine".tar.gz
  tree=$(echo "$scratch"/shardfs-*-"$machine")
  cmp "$tree/usr/bin/shardfs" "$scratch/unpacked-$debian/usr/bin/shardfs" || fail "the tarball has another program than the .deb"
  sh "$tree/install.sh" --root "$target" >"$scratch/said" || fail "install.sh: $(<"$scratch/said")"
  cmp "$tree/usr/bin/shardfs" "$target/usr/bin/shardfs" || fail "install.sh installs another program"
  sh "$tree/install.sh" --root "$target" --uninstall >"$scratch/said" || fail "install.sh --uninstall: $(<"$scratch/said")"
  [[ -z $(find "$target" ! -type d) ]] || fail "install.sh --uninstall leaves $(find "$target" ! -type d)"
}

# An image of the Open Container Initiative: every digest is that of its blob, and the program in its layer runs.
check_image() {
  local machine=$1 debian=$2 image=$scratch/image blob tree=$scratch/image-tree emulator=()
  rm -rf "$image" "$tree"
  mkdir "$image" "$tree"
  tar -C "$image" -xf "$artefacts"/shardfs-*-"$machine".oci.tar
  for blob in "$image"/blobs/sha256/*; do
    [[ $(sha256sum "$blob" | cut -d ' ' -f 1) == "$(basename "$blob")" ]] || fail "the blob $blob has another digest"
    grep -q "$(basename "$blob")" "$image"/index.json "$image"/blobs/sha256/* "$image"/manifest.json || fail "nothing names the blob $blob"
    if [[ $(head -c 1 "$blob") != '{' ]]; then tar -C "$tree" -xf "$blob"; fi
  done
  grep -q "\"architecture\": \"$debian\"" "$image/index.json" || fail "the image is of another machine"
  # Small, and with no other program than what it is for and its shell.
  (($(stat -c %s "$artefacts"/shardfs-*-"$machine".oci.tar) < 32 << 20)) || fail "the image has 32 MiB or more"
  diff <(find "$tree" -type f -perm /111 ! -path "$tree/usr/libexec/shardfs/*" -printf '/%P\n' | sort) \
    <(printf '/bin/busybox\n/usr/bin/shardfs\n') || fail "the image has other programs (<) than it is for (>)"
  grep -q '"User": "65534:65534"' "$image"/blobs/sha256/* || fail "the image runs as root"
  if [[ $debian == arm64 ]]; then emulator=(qemu-aarch64-static); fi
  [[ $("${emulator[@]}" "$tree/usr/bin/shardfs" --version) == "$("$SHARDFS_EXECUTABLE" --version)" ]] || fail "the image's program does not run"
  if [[ $debian == amd64 ]]; then
    chroot "$tree" /bin/sh -c '/usr/libexec/shardfs/container-mount' >"$scratch/said" 2>&1 && fail "container-mount takes no arguments"
    grep -q 'container-mount: wants a source' "$scratch/said" || fail "container-mount does not run in the image: $(<"$scratch/said")"
  fi
}

# ---- an empty root with rpm ----

release_row_rpm() {
  local machine rpm target=$scratch/root
  require_artefacts
  for machine in x86_64 aarch64; do
    rpm=$(echo "$artefacts"/shardfs-*."$machine".rpm)
    rm -rf "$target"
    mkdir -p "$target/etc"
    rpm --root "$target" --initdb
    (cd "$target" && find . ! -path './var/lib/rpm*' ! -path './usr/lib/sysimage*' | sort) >"$scratch/before"
    # No shell is there for the scripts, and nothing of what is required.
    rpm --root "$target" --ignorearch --nodeps --noscripts -i "$rpm" || fail "$rpm cannot be installed"
    rpm --root "$target" -V --nodeps shardfs || fail "rpm -V finds differences"
    if [[ $machine == x86_64 ]]; then use_installed "$target" ''; else use_installed "$target" qemu-aarch64-static; fi
    rpm --root "$target" --nodeps --noscripts -e shardfs || fail "$rpm cannot be removed"
    (cd "$target" && find . ! -path './var/lib/rpm*' ! -path './usr/lib/sysimage*' | sort) >"$scratch/after"
    diff "$scratch/before" "$scratch/after" | grep shardfs && fail "removing $rpm leaves something"
    echo "$(basename "$rpm"): installed, used, and removed"
  done
}

# use_installed ROOT EMULATOR: every golden case with the program that is installed there.
use_installed() {
  cases=$scratch/cases
  [[ -e $cases ]] || "$WRITE_GOLDEN_CASES" "$cases"
  # shellcheck disable=SC2086 # none or one word
  run_golden_cases $2 "$1/usr/bin/shardfs"
}

# ---- the userland of Debian 11 ----

release_row_bullseye() {
  local target=$scratch/root
  require_artefacts
  require_command mmdebstrap
  mmdebstrap --quiet --variant=minbase bullseye "$target" "$(debian_mirror)" >"$scratch/log" 2>&1 || skip "bullseye cannot be had: $(tail -n 2 "$scratch/log")"
  cases=$scratch/cases
  "$WRITE_GOLDEN_CASES" "$cases"
  cp -r "$cases" "$target/cases"
  cp "$platforms/golden.sh" "$target/"
  compile_tool page_tool
  cp "$scratch/page_tool" "$target/usr/bin/"
  cp "$artefacts"/shardfs_*_amd64.deb "$artefacts"/shardfs-*-x86_64.tar.gz "$target/"
  cp "$platforms/bullseye.sh" "$target/"
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount --propagation private --pid --fork --kill-child bash -euc '
    mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; mount -t tmpfs tmpfs "$1/tmp"
    : >"$1/dev/fuse"; mount --bind /dev/fuse "$1/dev/fuse"
    [ -e "$1/dev/null" ] || : >"$1/dev/null"; mount --bind /dev/null "$1/dev/null"
    exec chroot "$1" bash /bullseye.sh' bash "$target" || fail "the artefacts do not serve in bullseye"
}
