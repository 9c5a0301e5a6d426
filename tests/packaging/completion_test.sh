#!/bin/bash
# What bash proposes for a shardfs command line.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
source "$(dirname "$0")/completions.sh"

expect() {
  [[ $proposals == "$1 " ]] || fail "proposals are '$proposals', not '$1 '"
}
expect_among() {
  [[ " $proposals" == *" $1 "* ]] || fail "$1 is not among '$proposals'"
}

complete -p shardfs | grep -q -- '-F _shardfs' || fail "nothing completes shardfs"

complete_line ''
for subcommand in $("$SHARDFS_EXECUTABLE" --help | sed -n '/^Subcommands:/,$ s/^  \([a-z]*\) .*/\1/p'); do
  expect_among "$subcommand"
done
expect_among materialize
complete_line mat
expect materialize
complete_line --ver
expect --version

# Every option of every subcommand.
complete_line mount --moe-
expect '--moe-ep --moe-tp'
complete_line mount --moe_
expect '--moe_ep --moe_tp'
complete_line mount --no-mt
expect --no-mtp
complete_line mount --fore
expect --foreground
complete_line materialize --fore
expect ''
complete_line umount --
expect '--help --if-mounted --lazy'

# Values.
complete_line mount --layout ''
expect "$("$SHARDFS_EXECUTABLE" layouts --format words | sed -n 's/^layout //p' | sort | tr '\n' ' ' | sed 's/ $//')"
expect_among mindie
expect_among huggingface
complete_line mount --layout = hu
expect huggingface
complete_line mount --from h
expect huggingface
complete_line plan -O fid
expect 'fidelity=loader fidelity=sharder'
complete_line plan -O mtp=
expect 'mtp=false mtp=true'
complete_line plan -O max_s
expect 'max_shard_size='
complete_line plan --fidelity ''
expect 'loader sharder'
complete_line plan --ep-level = ''
expect '1 2'
complete_line layouts --format ''
expect 'json man text words'
complete_line layouts hug
expect huggingface
complete_line materialize --node-rank ''
expect auto
complete_line verify --progress ''
expect 'auto bar json lines none'
complete_line mount --dp ''
expect ''

# Files where an option takes one, directories where a place is wanted.
mkdir "$scratch/models"
touch "$scratch/mine.json"
cd "$scratch"
complete_line mount --config m
expect 'mine.json models'
complete_line mount m
expect models
complete_line mount --mtp m
expect models
touch "$scratch/model.safetensors" "$scratch/my net.ckpt"
complete_line plan m
expect 'model.safetensors models my net.ckpt'
complete_line check-mindie m
expect 'mine.json model.safetensors models my net.ckpt'
rm "$scratch/model.safetensors" "$scratch/my net.ckpt"

# Users and groups, and where views are mounted, spaces and all; a mount of another kind is none.
complete_line mount --uid nobod
expect nobody
complete_line mount --run-as nobod
expect nobody
complete_line doctor --uid nobod
expect nobody
complete_line mount --gid nogrou
expect nogroup
export SHARDFS_MOUNTINFO=$scratch/table-of-mounts
cat >"$SHARDFS_MOUNTINFO" <<'TEXT'
36 27 0:40 / /mnt/r1 ro,nosuid,nodev,noexec,noatime shared:1 - fuse.shardfs /models/R1 ro,user_id=0
37 27 0:41 / /mnt/two\040words ro,nosuid - fuse.shardfs /models/R1 ro,user_id=0
38 27 0:42 / /mnt/other rw - fuse.sshfs host:/ rw
TEXT
for subcommand in umount status warm; do
  complete_line "$subcommand" /m
  expect '/mnt/r1 /mnt/two words'
done
complete_line verify models /mnt/r
expect /mnt/r1
complete_line explain /mnt/t
expect '/mnt/two words'
complete_line explain m
expect 'mine.json models'
complete_line check m
expect models

# ---- the same in other shells, where they are installed ----

put_program_on_path

# try_shell SHELL: compares some proposals of that shell.
try_shell() {
  expect_line() { # LINE PROPOSALS
    proposals=$("$1_proposals" "$2" | sort | tr '\n' ' ')
    [[ $proposals == "${3:+$3 }" ]] || fail "$1 proposes '$proposals' for '$2', not '$3 '"
  }
  expect_line "$1" 'shardfs mount --moe-' '--moe-ep --moe-tp'
  expect_line "$1" 'shardfs umount --' '--help --if-mounted --lazy'
  expect_line "$1" 'shardfs verify --progress ' 'auto bar json lines none'
  expect_line "$1" 'shardfs mount --layout hu' 'huggingface'
  expect_line "$1" 'shardfs mount --from h' 'huggingface'
  expect_line "$1" 'shardfs mount -O fid' 'fidelity=loader fidelity=sharder'
  expect_line "$1" 'shardfs mount --fidelity ' 'loader sharder'
  expect_line "$1" 'shardfs layouts --format ' 'json man text words'
  expect_line "$1" 'shardfs layouts deq' 'dequantize'
  expect_line "$1" 'shardfs mount --config m' 'mine.json models/'
  expect_line "$1" 'shardfs mount --mtp m' 'models/'
  expect_line "$1" 'shardfs umount /mnt/r' '/mnt/r1'
  expect_line "$1" 'shardfs status /mnt/t' '/mnt/two words'
  expect_line "$1" 'shardfs mount --uid nobod' 'nobody'
  expect_line "$1" 'shardfs warm /mnt/t' '/mnt/two words'
  expect_line "$1" 'shardfs explain /mnt/t' '/mnt/two words'
  expect_line "$1" 'shardfs explain m' 'mine.json models/'
  expect_line "$1" 'shardfs mount --dp ' ''
  expect_line "$1" 'shardfs mat' 'materialize'
  echo "$1: as expected"
}

for shell in fish zsh; do
  if command -v "$shell" >/dev/null; then try_shell "$shell"; else echo "$shell is not installed, and not tried"; fi
done
