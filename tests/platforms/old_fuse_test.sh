#!/bin/bash
# The program on FUSE's protocol of Linux 4.19, the oldest kernel that its users have: the kernel's INIT is changed on
# the way to the program into one of 7.27. Every golden case is mounted, and what the log says shows that it took effect.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_fuse
enter_own_mounts
compile_tool page_tool
# shellcheck disable=SC2034 # golden.sh's
page_tool=$scratch/page_tool
cases=$scratch/cases
"$WRITE_GOLDEN_CASES" "$cases"
gcc -O1 -shared -fPIC -Wall -Wextra -Werror -o "$scratch/old_fuse.so" "$platforms/old_fuse.c" -ldl ||
  fail "old_fuse.c does not compile"
export OLD_FUSE_LOG=$scratch/init.log
cat >"$scratch/old_fuse" <<TEXT
#!/bin/sh
LD_PRELOAD=$scratch/old_fuse.so exec "\$@"
TEXT
chmod +x "$scratch/old_fuse"
run_golden_cases mount "$scratch/old_fuse" "$SHARDFS_EXECUTABLE"
seen=$(wc -l <"$OLD_FUSE_LOG")
(($(ls "$cases" | wc -l) <= seen)) || fail "only $seen INITs were changed"
echo "$seen mounts by FUSE 7.27, in place of: $(head -n 1 "$OLD_FUSE_LOG")"

# Without max_pages the kernel asks for 128 KiB at most, so that a read of 1 MiB past the page cache is eight requests.
"$MAKE_CHECKPOINT" --layers 4 --experts 4 --hidden 512 --vocab 4096 "$scratch/source" >/dev/null
mkdir "$scratch/view"
requests_of() {
  "$@" mount "$scratch/source" "$scratch/view" --tp 2 >"$scratch/said" 2>&1 || fail "mount: $(<"$scratch/said")"
  dd if="$scratch/view/model-000/model.safetensors" of=/dev/null bs=1M count=1 iflag=direct status=none ||
    fail "the view of $* cannot be read"
  sed -n 's/^shardfs_reads_total{.*kind="tensors"} //p' "$scratch/view/.shardfs/metrics"
  "$SHARDFS_EXECUTABLE" umount "$scratch/view" >"$scratch/said" 2>&1 || fail "umount: $(<"$scratch/said")"
}
old=$(requests_of "$scratch/old_fuse" "$SHARDFS_EXECUTABLE")
plain=$(requests_of "$SHARDFS_EXECUTABLE")
((old >= 8 && plain < old)) || fail "1 MiB takes $old requests by the old protocol, and $plain by this kernel's"
