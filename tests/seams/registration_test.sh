#!/bin/bash
# What had to be edited for the reader, the layout and the transform of toy/ to be in the program: a line in a registry
# with its include, and a line in a CMake list. No other file of the program was edited, or knows them.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/../packaging/helpers.sh"
toy=$root/tests/seams/toy

# expect_added FILE NUMBER REGEX: the copy of src/FILE has that many lines more than the original, each matches, and it
# lacks none.
expect_added() {
  local added lost
  [[ -e $SHARDFS_REGISTERED/$1 ]] || fail "there is no copy of src/$1"
  added=$(diff "$root/src/$1" "$SHARDFS_REGISTERED/$1" | sed -n 's/^> //p') || true
  lost=$(diff "$root/src/$1" "$SHARDFS_REGISTERED/$1" | sed -n 's/^< //p') || true
  [[ -z $lost ]] || fail "in src/$1 these lines had to be changed: $lost"
  [[ $(grep -c . <<<"$added") == "$2" ]] || fail "src/$1 needed $(grep -c . <<<"$added") new lines, not $2: $added"
  if grep -vE "$3" <<<"$added"; then fail "src/$1 needed this beside what registers a class"; fi
}
include='^#include "[a-z_/]+\.h"$'
line='^      Instance<Toy[A-Za-z]+>\(\),$'
expect_added layout/registry.cc 4 "$include|$line" # a reader and a layout: an include and a line each
expect_added layout/CMakeLists.txt 1 '^    [a-z_/. ]+$'
expect_added transform/registry.cc 2 "$include|$line"
expect_added transform/CMakeLists.txt 1 '^    [a-z_/. ]+$'
[[ $(find "$SHARDFS_REGISTERED" -type f | wc -l) == 4 ]] || fail "other files than the four had to be edited"

# Every source of toy/ stands in the lines of the CMake lists, under the path that it would have in src/.
for source in "$toy"/layout/toy/*.cc "$toy"/transform/*.cc; do
  path=${source#"$toy"/}
  grep -qw -- "${path#*/}" "$SHARDFS_REGISTERED/${path%%/*}/CMakeLists.txt" || fail "no CMake list has $path"
done

# Nothing in the program knows them.
if grep -rniE '\btoy|toy_' "$root/src" "$root/include" "$root/mount-scripts"; then fail "the program knows the toys"; fi

# In their place in src/, they keep the order of layers, and include no other layout's folder.
mkdir "$scratch/tree"
cp -r "$root/src" "$root/include" "$scratch/tree"
cp -r "$toy"/* "$SHARDFS_REGISTERED"/* "$scratch/tree/src"
"$root/tests/layers.sh" "$scratch/tree" || fail "the toys do not keep the order of layers"
echo '#include "layout/mindie/mindie_layout.h"' >>"$scratch/tree/src/layout/toy/toy_layout.cc"
if "$root/tests/layers.sh" "$scratch/tree" >/dev/null; then fail "layers.sh lets a layout include another's folder"; fi
