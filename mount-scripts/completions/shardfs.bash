# Completes shardfs in bash. Subcommands and options are asked of the program itself, so they are always those it has.

# "mount umount ..." or the options of the subcommand $2, one a line, as the help of $1 lists them.
_shardfs_words() {
  if [[ -z $2 ]]; then
    "$1" --help 2>/dev/null | sed -n '/^Subcommands:/,$ s/^  \([a-z][a-z-]*\) .*/\1/p'
  else
    # "  -f,--foreground  text", "  --mtp,--no-mtp{false}  text": the names stand before the first space.
    "$1" "$2" --help 2>/dev/null | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr ',' '\n' | sed 's/{.*//'
  fi
}

# The kind of value that the option $3 of the subcommand $2 takes, as its help shows it after the names: "FILE", "N".
_shardfs_value() {
  "$1" "$2" --help 2>/dev/null | sed -nE "s/^  ([^ ]*,)?$3(,[^ ]*)? ([A-Z][^ ]*).*/\3/p"
}

# What the program says of readers, transforms, layouts and options: the names of the kind $2, and the choices of the
# option $2 ("moe_tp"), one a line.
_shardfs_names() {
  "$1" layouts --format words 2>/dev/null | sed -nE "s/^($2) //p" | sort -u
}
_shardfs_choices() {
  "$1" layouts --format words 2>/dev/null | sed -n "s/^option $2 //p" | tr ' ' '\n'
}

# "fidelity=loader fidelity=sharder dp= ...": every option as -O takes it.
_shardfs_assignments() {
  "$1" layouts --format words 2>/dev/null | awk '
    $1 == "option" && NF == 2 { print $2 "=" }
    $1 == "option" { for (i = 3; i <= NF; ++i) print $2 "=" $i }'
}

# Where views are mounted, one a line, from /proc/self/mountinfo (or the file that SHARDFS_MOUNTINFO names, for tests).
_shardfs_mounts() {
  local point
  sed -nE 's/^[^ ]+ [^ ]+ [^ ]+ [^ ]+ ([^ ]+) .* - fuse\.shardfs .*/\1/p' "${SHARDFS_MOUNTINFO:-/proc/self/mountinfo}" |
    while read -r point; do printf '%b\n' "${point//\\/\\0}"; done
}

# Proposes the lines of standard input that begin with the word at hand, spaces and all.
_shardfs_propose_lines() {
  local line
  while IFS= read -r line; do
    if [[ $line == "$1"* ]]; then COMPREPLY+=("$line"); fi
  done
}

# Directories, and the files that can be a source.
_shardfs_sources() {
  compgen -d -- "$1"
  compgen -f -X '!*.safetensors' -- "$1"
  compgen -f -X '!*.ckpt' -- "$1"
}

# What stands in the place of a subcommand's arguments: the kinds of $1 for the word $2.
_shardfs_places() {
  compopt -o filenames 2>/dev/null || true # outside of a completion there is nothing to set
  case $1 in
    umount | status | warm) _shardfs_propose_lines "$2" < <(_shardfs_mounts) ;;
    explain) _shardfs_propose_lines "$2" < <({ _shardfs_mounts; compgen -f -- "$2"; } | sort -u) ;;
    verify) _shardfs_propose_lines "$2" < <({ _shardfs_mounts; _shardfs_sources "$2"; } | sort -u) ;;
    check-mindie | merge-strategies) _shardfs_propose_lines "$2" < <(compgen -f -- "$2") ;;
    *) _shardfs_propose_lines "$2" < <(_shardfs_sources "$2" | sort -u) ;;
  esac
}

_shardfs() {
  local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} subcommand='' word value
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word != -* ]]; then
      subcommand=$word
      break
    fi
  done
  if [[ -z $subcommand ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_words "$program" '') --help --version" -- "$current")
    return
  fi
  # bash parts words at '=': "--layout=m" comes as three.
  if [[ $current == = ]]; then current='' word=$previous; elif [[ $previous == = ]]; then
    word=${COMP_WORDS[COMP_CWORD - 2]}
  else
    word=$previous
  fi
  case $word in
    --progress) mapfile -t COMPREPLY < <(compgen -W 'auto bar lines json none' -- "$current") ;;
    --format) mapfile -t COMPREPLY < <(compgen -W 'text json man words' -- "$current") ;;
    --layout) mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_names "$program" layout)" -- "$current") ;;
    --from) mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_names "$program" reader)" -- "$current") ;;
    --node-rank) mapfile -t COMPREPLY < <(compgen -W 'auto' -- "$current") ;;
    -O) mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_assignments "$program")" -- "$current") ;;
    *)
      value=$(_shardfs_value "$program" "$subcommand" "$word")
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_words "$program" "$subcommand")" -- "$current")
      elif [[ $word == -* && $value =~ ^FILE(\||$) ]]; then
        compopt -o filenames 2>/dev/null || true
        _shardfs_propose_lines "$current" < <(compgen -f -- "$current")
      elif [[ $word == -* && $value == *DIR ]]; then
        compopt -o filenames 2>/dev/null || true
        _shardfs_propose_lines "$current" < <(compgen -d -- "$current")
      elif [[ $word == -* && $value == USER* ]]; then
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
      elif [[ $word == -* && $value == GROUP ]]; then
        mapfile -t COMPREPLY < <(compgen -g -- "$current")
      elif [[ $word == -* && -n $value ]]; then # one of few, or a number, for which there is nothing to propose
        word=${word#--}
        mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_choices "$program" "${word//-/_}")" -- "$current")
      elif [[ $subcommand == layouts ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_names "$program" 'reader|transform|layout')" -- "$current")
      else
        _shardfs_places "$subcommand" "$current"
      fi
      ;;
  esac
}

complete -F _shardfs shardfs
