#!/bin/bash
# What bash proposes for a shardfs command line.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
source "$root/mount-scripts/completions/shardfs.bash"

# complete_line WORD...: the proposals for the last word, sorted, on one line.
complete_line() {
  COMP_WORDS=("$SHARDFS_EXECUTABLE" "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _shardfs "$SHARDFS_EXECUTABLE" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  proposals=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
}
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
complete_line mount --no-m
expect --no-mtp
complete_line mount --fore
expect --foreground
complete_line materialize --fore
expect ''
complete_line umount --
expect '--help --if-mounted --lazy'

# Values.
complete_line mount --layout ''
expect mindie
complete_line mount --layout = m
expect mindie
complete_line plan -O fid
expect 'fidelity=loader fidelity=sharder'
complete_line materialize --node-rank ''
expect auto
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
