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
    --layout) mapfile -t COMPREPLY < <(compgen -W 'mindie' -- "$current") ;;
    --node-rank) mapfile -t COMPREPLY < <(compgen -W 'auto' -- "$current") ;;
    -O)
      mapfile -t COMPREPLY < <(compgen -W 'fidelity=sharder fidelity=loader ep_level=1 ep_level=2 enable_gating_dp=
        enable_shared_expert_dp= dense_mlp_local_tp=' -- "$current")
      ;;
    *)
      value=$(_shardfs_value "$program" "$subcommand" "$word")
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_shardfs_words "$program" "$subcommand")" -- "$current")
      elif [[ $word == -* && $value == FILE ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null || true # outside of a completion there is nothing to set
      elif [[ $word == -* && -n $value ]]; then
        return # a number, for which there is nothing to propose
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        compopt -o filenames 2>/dev/null || true
      fi
      ;;
  esac
}

complete -F _shardfs shardfs
