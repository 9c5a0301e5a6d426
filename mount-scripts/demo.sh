#!/usr/bin/env bash
# Shows shardfs from end to end on a small made-up checkpoint. See --help.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: mount-scripts/demo.sh [--keep] [--build-dir DIR]

Installs what shardfs is built from (apt), builds it, and shows it at work: a small DeepSeek-V3-shaped checkpoint is
mounted as the shards of 16 ranks, read, materialized into memory, compared and unmounted. Takes a few minutes the first
time, most of them for the compiler, and seconds afterwards. Needs /dev/fuse and 2 GB of disk.

  --keep            leave the checkpoint and the shards there for a look (they are removed otherwise)
  --build-dir DIR   install and build nothing: take shardfs and make_checkpoint from this build
  --help            this text
EOF
}

keep=false
build=
while (($#)); do
  case $1 in
    --keep) keep=true ;;
    --build-dir)
      if [[ ! -x ${2:-}/src/cli/shardfs || ! -x $2/tests/tools/make_checkpoint ]]; then
        echo "demo.sh: --build-dir needs a directory with src/cli/shardfs and tests/tools/make_checkpoint" >&2
        exit 2
      fi
      build=$(realpath "$2")
      shift
      ;;
    --help) usage; exit 0 ;;
    *)
      echo "demo.sh: unknown argument '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

on_terminal=false bold='' dim='' green='' red='' plain=''
if [[ -t 1 && ${TERM:-dumb} != dumb ]]; then on_terminal=true; fi
if $on_terminal && [[ -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

# How the checkpoint is cut. The rank that is looked at, 5, is number 5 of 8 in its tensor parallel group, and stands in
# row 1, column 1 of the 4 by 4 grid that the experts are spread over.
cut='--dp 2 --tp 8 --moe-tp 4 --moe-ep 4 --mtp'
rank_folders='model-{005,attn-tp-005,dense-tp-005,moe-tp-001-ep-001,norm}'
rank_pattern='model-(005|attn-tp-005|dense-tp-005|moe-tp-001-ep-001|norm)'

# ---- saying and running things ----

if [[ -z $build ]]; then steps=10; else steps=8; fi
step_number=0
step() {
  step_number=$((step_number + 1))
  printf '\n%s[%d/%d] %s%s\n' "$bold" "$step_number" "$steps" "$1" "$plain"
}

say() { printf '      %s\n' "$1"; }

fail() {
  printf '%sdemo.sh: %s%s\n' "$red" "$1" "$plain" >&2
  exit 1
}

show() { printf '      $ %s\n' "$1"; }

# Milliseconds since some moment.
clock() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# The time since `clock` gave $1: "12 ms", "3.4 s".
elapsed() {
  local ms=$(($(clock) - $1))
  if ((ms < 1000)); then
    printf '%d ms' "$ms"
  else
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
  fi
}

# Shows a command line and runs it with its output indented.
run() {
  show "$1"
  bash -c "set -o pipefail; $1" 2>&1 </dev/null | sed 's/^/        /' || fail "this command failed: $1"
}

# The same, and says how long it took.
run_timed() {
  local start
  start=$(clock)
  run "$1"
  say "${dim}$(elapsed "$start")${plain}"
}

# The same for a command whose output is of interest only when it fails; a terminal gets to see its last line.
run_quietly() {
  local start
  show "$1"
  start=$(clock)
  set -m # gives the command a process group of its own, by which clean_up can end all of it
  bash -c "$1" >"$log" 2>&1 </dev/null &
  running=$!
  set +m
  while $on_terminal && kill -0 "$running" 2>/dev/null; do
    printf '\r\e[K        %s%s%s' "$dim" "$(tail -n 1 "$log" | cut -c 1-70)" "$plain"
    sleep 0.1
  done
  if $on_terminal; then printf '\r\e[K'; fi
  if ! wait "$running"; then
    cat "$log" >&2
    fail "this command failed, with the output above: $1"
  fi
  running=''
  say "${dim}$(elapsed "$start")${plain}"
}

# Bytes as "12.3 MB".
megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# A new directory in tmpfs, or on disk where tmpfs (64 MB in many containers) has no room for $1 bytes.
make_memory_directory() {
  local free
  free=$(df --output=avail --block-size=1 /dev/shm 2>/dev/null | tail -n 1)
  if ((${free:-0} > $1 * 11 / 10)); then
    mktemp -d /dev/shm/shardfs-demo-XXXXXX
  else
    say "(/dev/shm has no room for $(megabytes "$1"): writing to disk instead)" >&2
    mktemp -d "$work/materialized-XXXXXX"
  fi
}

# ---- leaving nothing behind ----

work='' memory='' running='' log=$(mktemp)

is_mounted() { [[ -n $work ]] && grep -qF " $work/shards " /proc/self/mountinfo; }

clean_up() {
  trap '' INT TERM HUP # an impatient second Ctrl-C must not leave the rest
  if [[ -n $running ]]; then kill -TERM -- "-$running" 2>/dev/null || true; fi
  if is_mounted; then
    shardfs umount "$work/shards" 2>/dev/null || fusermount3 -u -z "$work/shards" || true
  fi
  rm -f "$log"
  if is_mounted; then return; fi
  for directory in "$work" "$memory"; do
    [[ -n $directory ]] || continue
    chmod -R u+rwX "$directory" # the view's directories are read-only, and so are copies of them
    if ! $keep; then rm -rf "$directory"; fi
  done
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- what has to be there ----

if [[ ! -e /dev/fuse ]] && ((EUID == 0)); then modprobe fuse 2>/dev/null || true; fi
if [[ ! -c /dev/fuse ]]; then
  fail "/dev/fuse is missing: run 'modprobe fuse' as root, or start the container with '--device /dev/fuse --cap-add SYS_ADMIN'"
fi
if ! { : <>/dev/fuse; } 2>/dev/null; then
  if ((EUID == 0)); then
    fail "/dev/fuse cannot be opened: start the container with '--device /dev/fuse --cap-add SYS_ADMIN'"
  fi
  fail "user $(id -un) may not open /dev/fuse: run 'chmod 666 /dev/fuse' as root, or run this as root"
fi

printf '%sshardfs: one checkpoint, shown as the shards of every rank, without a second copy%s\n' "$bold" "$plain"

# ---- the demonstration ----

if [[ -z $build ]]; then
  build=$root/build
  step "Install what shardfs is built from."
  cd "$root"
  run_timed 'mount-scripts/install-dependencies.sh --tests'

  step "Build it, and a program that makes checkpoints to try it on (minutes the first time, seconds later)."
  run_quietly 'cmake --preset default'
  run_quietly 'cmake --build build --target shardfs make_checkpoint'
fi
PATH=$build/src/cli:$build/tests/tools:$PATH
export COLUMNS=100 TABSIZE=0 # how ls makes columns

work=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/shardfs-demo-XXXXXX")")

step "Make a checkpoint like DeepSeek-V3, only smaller: 6 layers and MTP, 16 experts, random weights."
run "cd $work"
cd "$work"
run_timed 'make_checkpoint checkpoint'

step "Mount it as the shards of 16 ranks; this reads the headers of the checkpoint, and no weights."
run 'mkdir shards'
run_timed "shardfs mount checkpoint shards $cut"

step "Look around: every folder that MindIE looks for is there, and every file has its final size."
run 'ls -C shards'
run 'ls -l shards/model-moe-tp-001-ep-001'
run 'du -sh --si --apparent-size shards'

step "See which files rank 5 loads, and what they are made of."
run "shardfs plan checkpoint $cut --sources > plan.txt"
run "grep --no-group-separator -A 2 -E '$rank_pattern/' plan.txt"
run "grep -A 3 '^Totals' plan.txt"

step "Copy the five folders of rank 5 out of the mount."
run 'mkdir copied'
run_timed "cp -r shards/$rank_folders copied"

step "Write the shards of all ranks into memory, without the mount this time."
bytes=$(du -s --block-size=1 --apparent-size shards | cut -f 1)
memory=$(make_memory_directory "$bytes")
run_timed "shardfs materialize checkpoint $memory $cut"

step "Compare the whole mount, and the copy, with what was written into memory."
run_timed "diff -r --exclude='.shardfs-*' shards $memory"
run '(cd copied && sha256sum */*) > copied.sha256'
run "cd $memory && sha256sum --check $work/copied.sha256"
say "${green}Not a byte differs${plain} in $(find shards -type f | wc -l) files of $(megabytes "$bytes")."

step "Unmount."
run_timed 'shardfs umount shards'

if $keep; then
  printf '\nThe checkpoint and the copy are in %s, the shards in %s.\n' "$work" "$memory"
else
  printf '\nDone; the files of this demonstration are removed. To serve MindIE, see README.md.\n'
fi
