# Archives of two kinds; sourced by scripts.
#
# pack DIRECTORY NAME...: a tar of these on standard output that says nothing of who made it and when; SOURCE_DATE_EPOCH
# must be set.
#
# Packages and sources of Debian's releases, without touching this machine's own apt:
# archive_of SUITE DIRECTORY [ARCH]: makes `archive`, an array: apt-get's options for lists of its own in DIRECTORY, which
# know the release SUITE (bookworm, bullseye ...) in binary and in source. Downloads the lists unless DIRECTORY has them.
# Returns 1 with the reason in `archive_failure` where that cannot be done.
# shellcheck shell=bash

pack() {
  local directory=$1
  shift
  tar -C "$directory" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$@"
}

# The mirror that this machine installs from: the first of its sources that is Debian's.
debian_mirror() {
  local mirror
  # Not `| head`, whose early end is an error under pipefail.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
    sed -n '/security/!{s:/*$::p;q}') || true
  echo "${mirror:-http://deb.debian.org/debian}"
}

archive_of() {
  local suite=$1 directory=$2 architecture=${3:-$(dpkg --print-architecture)} mirror kind key security
  archive_failure=
  mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
  directory=$(realpath "$directory")
  : >"$directory/status" # nothing is installed, so nothing is left out
  # shellcheck disable=SC2034 # for the caller
  archive=(-q -o "Dir::Etc::SourceList=$directory/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$directory/lists" -o "Dir::State::Status=$directory/status" -o "Dir::Cache=$directory/cache"
    -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o APT::Sandbox::User=root
    -o Acquire::Languages=none)
  if [[ -e $directory/complete ]]; then return 0; fi
  mirror=$(debian_mirror)
  key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  security=${mirror%/debian}/debian-security
  for kind in deb deb-src; do
    echo "$kind $key $mirror $suite main"
    echo "$kind $key $security $suite-security main"
  done >"$directory/sources.list"
  if ! apt-get "${archive[@]}" update >"$directory/log" 2>&1 || grep -q '^[EW]: Failed to fetch' "$directory/log"; then
    archive_failure="the lists of Debian's $suite cannot be had from $mirror: $(grep -m 1 '^[EW]:' "$directory/log" || true)"
    return 1
  fi
  touch "$directory/complete"
}
