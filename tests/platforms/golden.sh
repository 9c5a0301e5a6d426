# Runs a program on the golden cases that write_golden_cases has written. Sourced by bash here and by busybox's shell in
# the machines; so plain sh, and no program that busybox lacks.
#
# Set by the caller: `program`, the words that start it ("old_seccomp /tmp/shardfs"); `page_tool`, the words that start
# that; `cases` and `work`, directories; `bad`, a function that is called with what is wrong, and counts.
# shellcheck shell=sh

# The members of a JSON object without their order, and without the key that marks the loader's variant.
golden_members() { tr ',{}[] ' '\n' <"$1" | grep -v -e '^$' -e shardfs_fidelity -e '^"loader"$' | sort; }

# golden_compare CASE DIRECTORY read|mapped: the directory holds what the case expects, and no other file.
golden_compare() {
  expected=$cases/$1/expected
  wanted=0
  for file in $(cd "$expected" && find . -type f); do
    wanted=$((wanted + 1))
    case $file in
      */model_sharded_metadata.json)
        [ "$(golden_members "$expected/$file")" = "$(golden_members "$2/$file")" ] || bad "$1: $2/$file differs"
        ;;
      *)
        cmp -s "$expected/$file" "$2/$file" || bad "$1: $2/$file differs, by read"
        if [ "$3" = mapped ]; then
          $page_tool compare "$2/$file" "$expected/$file" || bad "$1: $2/$file differs, mapped"
        fi
        ;;
    esac
  done
  have=$(cd "$2" && find . -type f ! -name '.shardfs*' | wc -l)
  [ "$have" -eq "$wanted" ] || bad "$1: $2 has $have files, and $wanted are expected"
}

# golden_run COMMAND CASE PLACE [OPTION...]: the program with the options of the case; what it says is in $work/said.
golden_run() {
  command=$1 name=$2 place=$3
  shift 3
  while IFS= read -r argument; do set -- "$@" "$argument"; done <"$cases/$name/options"
  (cd "$cases/$name" && $program "$command" "$cases/$name/source" "$place" "$@") >"$work/said" 2>&1 </dev/null
}

# golden_materialize CASE [OPTION...]: written, compared, and verified.
golden_materialize() {
  place=$work/written
  if golden_run materialize "$1" "$place" ${2+"$2"}; then
    golden_compare "$1" "$place" read
    $program verify "$place" >"$work/said" 2>&1 || bad "$1: verify: $(tail -n 1 "$work/said")"
  else
    bad "$1: materialize: $(tail -n 1 "$work/said")"
  fi
  chmod -R u+rwX "$work/written"
  rm -rf "$work/written"
}

# golden_mount CASE [OPTION...]: mounted, compared by read and by mapping, and unmounted.
golden_mount() {
  place=$work/mounted
  mkdir -p "$place"
  if golden_run mount "$1" "$place" ${2+"$2"}; then
    golden_compare "$1" "$place" mapped
    $program umount "$place" >"$work/said" 2>&1 || bad "$1: umount: $(tail -n 1 "$work/said")"
  else
    bad "$1: mount: $(tail -n 1 "$work/said")"
  fi
  rmdir "$place" || bad "$1: $place is not empty after the unmount"
}
