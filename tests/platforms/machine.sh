# Virtual machines of other kernels, in software emulation (qemu); sourced by tests after helpers.sh.
#
# A machine is a kernel of Debian's, unchanged, and an initial RAM disk with busybox, the program, golden cases and
# machine/init, which runs them and powers off. Kernels and helpers come from Debian's mirror into
# build-dependencies/machines, by package and version, and are had from there the next time.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR/../../mount-scripts
source "$root/mount-scripts/archives.sh"
machines=$root/build-dependencies/machines

# get_package SUITE ARCH PACKAGE: its files, unpacked; `unpacked` is where. Skips the test where it cannot be had.
get_package() {
  local suite=$1 architecture=$2 package=$3 name
  archive_of "$suite" "$machines/lists-$suite-$architecture" "$architecture" || skip_download "$archive_failure"
  local names=("$package")
  # A package that only names another one: of the release's last update, or of the release, which every mirror has.
  case $package in
    linux-image-*) mapfile -t names < <(apt-cache "${archive[@]}" show "$package" 2>/dev/null | sed -n 's/^Depends: \(linux-image-[0-9][^ ]*\).*/\1/p') ;;
  esac
  for name in "${names[@]}"; do
    if get_package_named "$architecture" "$name"; then return 0; fi
  done
  skip_download "$package of Debian's $suite cannot be had for $architecture: $(tail -n 1 "$scratch/log" 2>/dev/null)"
}

# get_package_named ARCH PACKAGE: of the archive that get_package has found; false where no version of it can be
# downloaded. That of the last update comes first.
get_package_named() {
  local architecture=$1 package=$2 version
  for version in $(apt-cache "${archive[@]}" show "$package" 2>/dev/null | sed -n 's/^Version: //p'); do
    unpacked=$machines/${package}_${version//:/_}_$architecture
    [[ ! -e $unpacked/complete ]] || return 0
    mkdir -p "$scratch/download"
    (cd "$scratch/download" && apt-get "${archive[@]}" download "$package=$version") >"$scratch/log" 2>&1 || continue
    rm -rf "$unpacked"
    mkdir -p "$unpacked"
    dpkg-deb -x "$scratch/download/${package}"_*.deb "$unpacked"
    rm -f "$scratch/download/${package}"_*.deb
    touch "$unpacked/complete"
    return 0
  done
  return 1
}

# get_kernel SUITE ARCH PACKAGE: `kernel` is its image, `modules` the directory of its modules.
get_kernel() {
  get_package "$@"
  kernel=$(echo "$unpacked"/boot/vmlinu[xz]-*)
  modules=$unpacked/lib/modules
  if [[ ! -d $modules ]]; then modules=$unpacked/usr/lib/modules; fi
  [[ -e $kernel && -d $modules ]] || fail "$unpacked holds no kernel"
}

# build_64k_kernel: as get_kernel, one with pages of 64 KiB for arm64, made of Debian 11's sources, once (some ten
# minutes); it has what it needs built in.
build_64k_kernel() {
  local config=$platforms/machine/aarch64-64k.config built
  local -a source
  get_package bullseye arm64 linux-source-5.10
  built=$machines/64k-$(basename "$unpacked")-$(sha256sum "$config" | cut -c 1-12)
  modules=$built/modules kernel=$built/Image
  [[ ! -e $kernel ]] || return 0
  require_command flex
  require_command bison
  require_command bc
  mkdir -p "$modules" "$scratch/linux"
  tar -C "$scratch/linux" --strip-components=1 -xf "$unpacked/usr/src/linux-source-5.10.tar.xz"
  source=(make -C "$scratch/linux" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-)
  if ! { "${source[@]}" KCONFIG_ALLCONFIG="$config" allnoconfig && "${source[@]}" -j "$(nproc)" Image; } >"$scratch/log" 2>&1; then
    fail "the kernel does not build: $(tail "$scratch/log")"
  fi
  grep -q '^CONFIG_ARM64_64K_PAGES=y' "$scratch/linux/.config" || fail "the kernel's pages are not of 64 KiB"
  cp "$scratch/linux/arch/arm64/boot/Image" "$kernel.new"
  mv "$kernel.new" "$kernel"
  rm -rf "$scratch/linux"
}

# copy_module NAME DIRECTORY: unpacked, where the kernel has it as a module.
copy_module() {
  local file
  file=$(find "$modules" -name "$1.ko*" -o -name "${1//_/-}.ko*" | head -n 1)
  case $file in
    '') ;;
    *.xz) xz -dc "$file" >"$2/$1.ko" ;;
    *.zst) zstd -qdc "$file" >"$2/$1.ko" ;;
    *) cp "$file" "$2/$1.ko" ;;
  esac
}

# copy_helpers SUITE ARCH: the fusermounts of FUSE 2 and 3, with the C library that they are linked with.
copy_helpers() {
  local suite=$1 architecture=$2 package file
  for package in fuse fuse3 libc6; do
    get_package "$suite" "$architecture" "$package"
    for file in $(cd "$unpacked" && find . -name fusermount -o -name fusermount3 -o -name 'ld-*' -o -name 'libc[.-]*so*' -o -name 'libnss_files*'); do
      case $file in
        */fusermount*) if [[ ! -h $unpacked/$file ]]; then cp "$unpacked/$file" "$ram/helpers/"; fi ;;
        *)
          mkdir -p "$ram/$(dirname "$file")"
          cp -a "$unpacked/$file" "$ram/$(dirname "$file")/"
          ;;
      esac
    done
  done
}

# merge_usr: releases from Debian 12 on have /lib and /lib64 in /usr, where programs do not look for their loader.
merge_usr() {
  local name
  for name in lib lib64; do
    if [[ -d $ram/usr/$name && ! -e $ram/$name ]]; then ln -s "usr/$name" "$ram/$name"; fi
  done
}

# make_machine SUITE ARCH PROGRAM CASE...: of the kernel that get_kernel has found; writes $scratch/ram.gz. CASE names
# directories of $cases. Variables that may be set: `disk`, an image with an ext4 of `source/`; `unit_tests`, programs.
make_machine() {
  local suite=$1 architecture=$2 program=$3 module name
  shift 3
  ram=$scratch/ram
  rm -rf "$ram"
  mkdir -p "$ram"/{bin,sbin,dev,proc,sys,tmp,etc,cases,modules,helpers,tests,usr}
  ln -s ../bin "$ram/usr/bin"
  chmod 755 "$ram"
  get_package "$suite" "$architecture" busybox-static
  cp "$(find "$unpacked" -type f -name busybox -perm -100)" "$ram/bin/busybox"
  copy_helpers "$suite" "$architecture"
  merge_usr
  case $architecture in
    amd64) x86_64-linux-gnu-strip -o "$ram/bin/shardfs" "$program" ;;
    arm64) aarch64-linux-gnu-strip -o "$ram/bin/shardfs" "$program" ;;
  esac
  cp "$scratch/page_tool" "$ram/bin/page_tool"
  cp "$platforms/machine/init" "$ram/init"
  cp "$platforms/machine/as_user.sh" "$platforms/golden.sh" "$ram/"
  chmod 755 "$ram/init" "$ram/bin"/*
  printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >"$ram/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\nuser:x:1000:\n' >"$ram/etc/group"
  for module in fuse loop crc16 crc32c_generic libcrc32c mbcache jbd2 ext4; do
    if [[ $module == fuse || -n ${disk:-} ]]; then copy_module "$module" "$ram/modules"; fi
  done
  for name; do cp -r "$cases/$name" "$ram/cases/"; done
  if [[ -n ${disk:-} ]]; then cp "$disk" "$ram/disk.img"; fi
  for name in ${unit_tests:-}; do cp "$name" "$ram/tests/"; done
  (cd "$ram" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$scratch/ram.gz"
}

# make_kernels_machine SUITE ARCH PROGRAM: one that runs kernel_cost alone, with the shared libraries that it needs.
make_kernels_machine() {
  local suite=$1 architecture=$2 program=$3 library
  ram=$scratch/ram
  rm -rf "$ram"
  mkdir -p "$ram"/{bin,sbin,dev,proc,tests,usr}
  ln -s ../bin "$ram/usr/bin"
  get_package "$suite" "$architecture" busybox-static
  cp "$(find "$unpacked" -type f -name busybox -perm -100)" "$ram/bin/busybox"
  cp "$program" "$ram/tests/kernel_cost"
  if [[ $architecture == amd64 ]]; then
    for library in $(ldd "$program" | grep -o '/[^ ]*'); do cp -L --parents "$library" "$ram"; done
  fi
  cp "$platforms/machine/kernels_init" "$ram/init"
  chmod 755 "$ram/init" "$ram/bin/busybox"
  (cd "$ram" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$scratch/ram.gz"
}

# run_machine ARCH [OPTION...]: with further options of qemu's; boots it and prints what it has to say; fails unless all was right. A machine that says nothing
# more for minutes hangs: emulation is slow, and may share its processors.
run_machine() {
  local architecture=$1 emulator said=$scratch/machine.log
  shift
  case $architecture in
    amd64)
      emulator=(qemu-system-x86_64 -machine q35 -cpu max
        -append "console=ttyS0 quiet panic=-1 tsc=unstable mitigations=off")
      ;;
    arm64)
      emulator=(qemu-system-aarch64 -machine virt -cpu max,pauth-impdef=on
        -append "console=ttyAMA0 quiet panic=-1 mitigations=off")
      ;;
  esac
  timeout -k 10 1500 "${emulator[@]}" -accel tcg "$@" -smp 1 -m "${memory:-1024}" -nodefaults -no-user-config -display none \
    -serial stdio -no-reboot -kernel "$kernel" -initrd "$scratch/ram.gz" </dev/null >"$said" 2>&1 || true
  grep -a '^MACHINE' "$said" | tr -d '\r' || true
  grep -aq '^MACHINE [0-9.]* RESULT 0' "$said" || fail "the machine is not content: $(tail -n 20 "$said")"
}
