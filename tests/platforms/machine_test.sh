#!/bin/bash
# The static program on Linux 5.10, the kernel of openEuler 22.03 and of Debian 11, in a virtual machine that has the C
# library of Debian 11 (2.31) and that only for fusermount.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
# shellcheck source-path=SCRIPTDIR
source "$platforms/machine.sh"
require_static_program
require_command qemu-system-x86_64
require_command cpio
compile_tool page_tool
cases=$scratch/cases
"$WRITE_GOLDEN_CASES" "$cases"
get_kernel bullseye amd64 linux-image-cloud-amd64
make_machine bullseye amd64 "$SHARDFS_STATIC_EXECUTABLE" sharder_bf16_dp2tp2_mtp2ep2 \
  sharder_w4a8_group_dp2tp2_mtp2ep2 loader_mix_dp2tp2_mtp2ep2 huggingface_random_a
run_machine amd64
