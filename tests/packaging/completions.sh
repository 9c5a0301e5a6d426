# What the shells propose for a command line of $SHARDFS_EXECUTABLE; sourced behind helpers.sh by tests of completions.
# shellcheck shell=bash disable=SC2034,SC2154 # for the tests that source it, and of helpers.sh
source "$root/mount-scripts/completions/shardfs.bash"

# complete_line WORD...: sets `proposals` to those of bash for the last word, sorted, on one line.
complete_line() {
  COMP_WORDS=("$SHARDFS_EXECUTABLE" "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _shardfs "$SHARDFS_EXECUTABLE" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  proposals=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
}

# put_program_on_path: the program under the name of shardfs, for the shells below.
put_program_on_path() {
  mkdir "$scratch/on-path"
  ln -s "$SHARDFS_EXECUTABLE" "$scratch/on-path/shardfs"
  PATH=$scratch/on-path:$PATH
}

# SHELL_proposals LINE prints what that shell proposes for the last word of a line.
fish_proposals() {
  HOME=$scratch fish --no-config -c "source '$root/mount-scripts/completions/shardfs.fish'
    complete -C '$1'" | cut -f 1
}

# zsh's own completion answers on a terminal only: its functions are stood in for, and what is proposed is filtered here.
zsh_proposals() {
  # shellcheck disable=SC2016 # for zsh to expand
  HOME=$scratch zsh -f -c '
    compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- ${(M)@:#$words[CURRENT]*}; }
    _files() { # -/: directories; -g PATTERN: those, and the files of such names
      local name
      case $1 in
        -/) print -l -- $words[CURRENT]*(N/M) ;;
        -g)
          print -l -- $words[CURRENT]*(N/M)
          for name in $words[CURRENT]*(N.); do if [[ $name == ${~2} ]]; then print -- $name; fi; done
          ;;
        *) print -l -- $words[CURRENT]*(NM) ;;
      esac
    }
    _shardfs() { source "$1"; }
    words=("${(@s: :)2}") CURRENT=${#words}
    _shardfs "$1"' zsh "$root/mount-scripts/completions/_shardfs" "$1" | sed '/^$/d'
}
