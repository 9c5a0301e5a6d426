#!/bin/bash
# One row of run.sh, which calls this script; its --help says what the rows are.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
# shellcheck source-path=SCRIPTDIR
source "$platforms/machine.sh"
cross=$root/build-aarch64

write_cases() {
  cases=$scratch/cases
  "$WRITE_GOLDEN_CASES" "$cases"
}

# build_for_aarch64 TARGET...: without shared libraries. Of the unit tests these know of pages, mappings and vectors.
unit_tests_of_pages=(source_test base_test tensor_test)
build_for_aarch64() {
  "$root/mount-scripts/build-static-dependencies.sh" --arch arm64
  cmake -S "$root" -B "$cross" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$root/mount-scripts/cmake/aarch64.cmake" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSHARDFS_STATIC=ON -DSHARDFS_TEST_FOLDERS="source;base;tensor" \
    -DCMAKE_EXE_LINKER_FLAGS=-static-pie >"$scratch/cmake.log" || fail "cmake: $(tail "$scratch/cmake.log")"
  cmake --build "$cross" --target "$@"
}

# Where a compiler may fuse a multiplication and an addition, the same source gives other bits than on x86-64. Only the
# kernels of LoRA do that, on both: they say fma themselves.
require_no_fused_arithmetic() {
  local library found seen=false
  while read -r library; do
    found=$(aarch64-linux-gnu-objdump -d --no-show-raw-insn "$library" |
      awk '/file format/ { object = $1 } $2 ~ /^fn?m(add|sub|la|ls)$/ { print object }' | sort -u)
    [[ -z $found || $found == lora_kernels.cc.o: ]] || fail "$library has fused arithmetic in: $found"
    [[ -z $found ]] || seen=true
  done < <(find "$cross/src" -name 'libshardfs_*.a')
  $seen || fail "no fused arithmetic is found even in the kernels of LoRA, so the check proves nothing"
}

machine_row() {
  local architecture=$1 suite=$2 package=$3 program=$4
  write_cases
  if [[ $package == 64k ]]; then build_64k_kernel; else get_kernel "$suite" "$architecture" "$package"; fi
  mapfile -t names < <(ls "$cases")
  memory=2048
  make_machine "$suite" "$architecture" "$program" "${names[@]}"
  run_machine "$architecture"
}

# A checkpoint of about 50 MB on an ext4, as it lies on a disk. Made without mounting anything.
make_disk() {
  disk=$scratch/disk.img
  "$MAKE_CHECKPOINT" --layers 4 --experts 8 --hidden 512 --vocab 4096 "$scratch/disk/source" >/dev/null
  truncate -s $((2 * $(du -s -B1 "$scratch/disk" | cut -f 1) + (16 << 20))) "$disk"
  mkfs.ext4 -q -O ^has_journal -d "$scratch/disk" "$disk"
  rm -rf "$scratch/disk"
}

case $1 in
  amd64-5.10 | amd64-6.1 | amd64-6.12)
    compile_tool page_tool
    case $1 in
      *-5.10) suite=bullseye ;;
      *-6.1) suite=bookworm ;;
      *-6.12) suite=trixie ;;
    esac
    if [[ $1 == *-5.10 ]]; then make_disk; fi
    machine_row amd64 "$suite" linux-image-cloud-amd64 "$SHARDFS_STATIC_EXECUTABLE"
    ;;
  aarch64-user)
    write_cases
    build_for_aarch64 shardfs
    require_no_fused_arithmetic
    compile_tool page_tool aarch64-linux-gnu
    # shellcheck disable=SC2034 # golden.sh's
    page_tool="qemu-aarch64-static $scratch/page_tool"
    run_golden_cases mount qemu-aarch64-static "$cross/src/cli/shardfs"
    ;;
  aarch64-5.10)
    build_for_aarch64 shardfs
    compile_tool page_tool aarch64-linux-gnu
    machine_row arm64 bullseye linux-image-cloud-arm64 "$cross/src/cli/shardfs"
    ;;
  aarch64-6.12-16k | aarch64-5.10-64k)
    build_for_aarch64 shardfs "${unit_tests_of_pages[@]}"
    compile_tool page_tool aarch64-linux-gnu
    make_disk
    unit_tests=
    for test in "${unit_tests_of_pages[@]}"; do unit_tests+=" $(find "$cross/tests" -type f -name "$test")"; done
    case $1 in
      *-16k) machine_row arm64 trixie linux-image-arm64-16k "$cross/src/cli/shardfs" ;;
      *-64k) machine_row arm64 bullseye 64k "$cross/src/cli/shardfs" ;;
    esac
    ;;
  kernels)
    build_for_aarch64 kernel_cost
    cmake --build "$SHARDFS_BUILD_DIR" --target kernel_cost >/dev/null
    for machine in amd64:cloud-amd64 arm64:cloud-arm64; do
      architecture=${machine%%:*}
      get_kernel bookworm "$architecture" "linux-image-${machine#*:}"
      if [[ $architecture == amd64 ]]; then program=$SHARDFS_BUILD_DIR; else program=$cross; fi
      make_kernels_machine bookworm "$architecture" "$program/tests/tensor/kernel_cost"
      echo "$architecture: instructions for each element, emulated"
      run_machine "$architecture" -icount shift=0,sleep=off
    done
    ;;
  release | bullseye | rpm) source "$platforms/release.sh" && "release_row_$1" ;;
  *)
    echo "row.sh: there is no row '$1' (see tests/platforms/run.sh --help)" >&2
    exit 2
    ;;
esac
