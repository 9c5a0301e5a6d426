#!/bin/bash
# The options of a reader, a transform and a layout that a stranger adds stand in help, man pages and completions, made as
# the build makes them for the program.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/../packaging/helpers.sh"
source "$(dirname "$0")/../packaging/completions.sh"

# ---- man pages ----

pages=$scratch/build/install/man
cmake -DPROGRAM="$SHARDFS_EXECUTABLE" -DSOURCE="$root/src/cli/man" -DDESTINATION="$pages" -DPROJECT_VERSION=0 \
  -P "$root/mount-scripts/cmake/man-pages.cmake"
for command in mount materialize plan verify; do
  help=$("$SHARDFS_EXECUTABLE" "$command" --help)
  for option in toy-order toy_order toy-sequence toy-ranks no-toy-listing toy-contents toy-index toy-negate; do
    grep -qE -- "--$option\b" <<<"$help" || fail "shardfs $command --help lacks --$option"
    grep -qF -- "\\fB\\-\\-${option//-/\\-}\\fR" "$pages/shardfs-$command.1" ||
      fail "the man page of shardfs $command lacks --$option"
  done
  grep -q 'Order in which tensors are dealt (default: forward)' <<<"$help" || fail "$command --help has another text"
  grep -qF 'Order in which tensors are dealt (default: forward).' "$pages/shardfs-$command.1" ||
    fail "the man page of shardfs $command has another text"
done
# Help and pages agree in every option, and the pages are well formed.
if command -v groff >/dev/null; then
  SHARDFS_BUILD_DIR=$scratch/build "$root/tests/packaging/man_page_test.sh" || fail "help and man pages differ"
fi

# ---- completions ----

put_program_on_path
bash_proposals() { # LINE
  local words
  read -ra words <<<"$1"
  if [[ $1 == *' ' ]]; then words+=(''); fi
  complete_line "${words[@]:1}"
  tr ' ' '\n' <<<"$proposals" | sed '/^$/d'
}
expect_line() { # SHELL LINE PROPOSALS
  local proposed
  proposed=$("$1_proposals" "$2" | sort | tr '\n' ' ')
  [[ $proposed == "$3 " ]] || fail "$1 proposes '$proposed' for '$2', not '$3 '"
}
for shell in bash fish zsh; do
  if ! command -v "$shell" >/dev/null; then
    echo "$shell is not installed, and not tried"
    continue
  fi
  expect_line "$shell" 'shardfs mount --layout t' toy
  expect_line "$shell" 'shardfs plan --from t' toy
  expect_line "$shell" 'shardfs layouts toy-' toy-negate
  expect_line "$shell" 'shardfs materialize --toy-o' --toy-order
  expect_line "$shell" 'shardfs verify --toy_se' --toy_sequence
  expect_line "$shell" 'shardfs plan --no-toy-' '--no-toy-contents --no-toy-listing --no-toy-negate'
  expect_line "$shell" 'shardfs mount --toy-order ' 'forward reverse'
  expect_line "$shell" 'shardfs mount --toy-sequence ' 'forward reverse'
  expect_line "$shell" 'shardfs mount -O toy_o' 'toy_order=forward toy_order=reverse'
  expect_line "$shell" 'shardfs mount -O toy_r' toy_ranks=
done
