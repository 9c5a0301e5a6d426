#!/bin/bash
# Every option is in its man page, every option of a man page is there, and the pages are well formed.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_command groff
pages=$SHARDFS_BUILD_DIR/install/man

# Options as words: "--moe-tp"; also the negative ones, and short ones.
options_of_help() {
  "$SHARDFS_EXECUTABLE" "$@" --help | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr ',' '\n' | sed 's/{.*//' | sort -u
}
# The tags of a page that are options, as a reader sees them.
options_of_page() {
  groff -man -Tascii -P-c -rLL=200n "$1" | sed 's/.\x08//g' |
    sed -n 's/^       \(-.*\)/\1/p' | grep -oE '(^|, )--?[A-Za-z][A-Za-z_-]*' | sed 's/^, //' | sort -u
}

subcommands=$("$SHARDFS_EXECUTABLE" --help | sed -n '/^Subcommands:/,$ s/^  \([a-z-]*\) .*/\1/p')
for subcommand in $subcommands; do
  page=$pages/shardfs-$subcommand.1
  [[ -e $page ]] || fail "shardfs $subcommand has no man page"
  diff <(options_of_help "$subcommand") <(options_of_page "$page") ||
    fail "shardfs $subcommand --help (<) and its man page (>) differ"
  grep -q "^.B $subcommand\$" "$pages/shardfs.1" || fail "shardfs.1 does not list $subcommand"
done
diff <(options_of_help) <(options_of_page "$pages/shardfs.1") || fail "shardfs --help (<) and its man page (>) differ"

# The scripts: their help and their pages.
for script in shardfs-tmpfs:8 shardfs-materialize-node:1; do
  name=${script%:*}
  diff <("$root/mount-scripts/$name" --help | grep -oE '^  --[a-z-]+' | tr -d ' ' | sort -u) \
    <(options_of_page "$pages/$name.${script#*:}") || fail "$name --help (<) and its man page (>) differ"
done

# Every page has examples, and an example types what there is: subcommands, and their options.
for page in "$pages"/*.[18]; do
  name=$(basename "$page")
  grep -qx '.SH EXAMPLES' "$page" || fail "$name has no examples"
  sed -n '/^.SH EXAMPLES/,/^.SH [^E]/p' "$page" | sed -n '/^.EX/,/^.EE/p' | tr -d '\\' | sed -nE 's/^(LANG=[^ ]* )?shardfs ([a-z-]+) (.*)/\2 \3/p' \
    >"$scratch/examples"
  while read -ra words; do
    help=$("$SHARDFS_EXECUTABLE" "${words[0]}" --help 2>/dev/null) || fail "$name: there is no shardfs ${words[0]}"
    for word in "${words[@]:1}"; do
      [[ $word != -- ]] || break # what follows is another program's
      [[ $word == -* ]] || continue
      grep -qE -- "^  ([^ ]*,)?${word%%=*}[,{ ]" <<<"$help" || fail "$name: shardfs ${words[0]} has no $word"
    done
  done <"$scratch/examples"
done
# One page has every reader, transform and layout, with what it is.
listed=$(sed -n '/^.SH READERS, TRANSFORMS AND LAYOUTS/,/^.SH EXAMPLES/p' "$pages/shardfs-layouts.1" | tr -d '\\')
while read -r kind name; do
  summary=$("$SHARDFS_EXECUTABLE" layouts "$name" | sed -nE "s/^  $name +([^ ].*)/\1/p" | head -n 1)
  [[ $listed == *$'\nfB'"$name"$'fR\n&'"$summary"* ]] || fail "shardfs-layouts.1 lacks the $kind $name: $summary"
done < <("$SHARDFS_EXECUTABLE" layouts --format words | grep -E '^(reader|transform|layout) ')
# What a view and the units leave and read stands under FILES.
for file in '/etc/shardfs/' '/.shardfs/' user.shardfs.layout user.shardfs.sources; do
  for page in shardfs.1 shardfs-mount.1; do
    sed -n '/^.SH FILES/,/^.SH [^F]/p' "$pages/$page" | tr -d '\\' | grep -qF "$file" || fail "$page: FILES lacks $file"
  done
done

for page in "$pages"/*.[18]; do
  name=$(basename "$page")
  warnings=$(groff -man -Tutf8 -ww "$page" 2>&1 >/dev/null)
  [[ -z $warnings ]] || fail "$name: $warnings"
  if command -v mandoc >/dev/null; then mandoc -T lint -W error "$page" || fail "$name: mandoc objects"; fi
  if grep -qE '@[A-Z_]+@' "$page"; then fail "$name has a placeholder left"; fi
  cmp <(gzip -dc "$page.gz") "$page" || fail "$name.gz is another page"
  # Pages that a page refers to are there, as far as they are ours.
  while read -r reference; do
    [[ -e $pages/$reference ]] || fail "$name refers to $reference, which there is not"
  done < <(sed -nE 's/^\.BR ([a-z.\\-]*shardfs[a-z.\\-]*) \(([0-9])\).*/\1.\2/p' "$page" | tr -d '\\')
done
