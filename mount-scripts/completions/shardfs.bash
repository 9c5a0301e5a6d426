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
      elif [[ $word == -* && $value == FILE ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null || true # outside of a completion there is nothing to set
      elif [[ $word == -* && -n $value ]]; then # one of few, or a number, for which there is nothing to propose
        word=${word#--}
        mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_choices "$program" "${word//-/_}")" -- "$current")
      elif [[ $subcommand == layouts ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_names "$program" 'reader|transform|layout')" -- "$current")
      elif [[ $subcommand == explain ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null || true
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        compopt -o filenames 2>/dev/null || true
      fi
      ;;
  esac
}

complete -F _shardfs shardfs
