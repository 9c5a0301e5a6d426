#!/bin/bash
# The container's entry point is run; the Dockerfile, which needs an engine to build, is held against what it uses.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
dockerfile=$root/mount-scripts/Dockerfile

# ---- the Dockerfile ----

# Instructions, comments and line continuations taken out.
instructions=$(sed -e '/^#/d' -e '/^$/d' "$dockerfile" | sed -e ':a' -e '/\\$/N; s/\\\n//; ta')
of_kind() { sed -n "s/^$1 //p" <<<"$instructions"; }

if grep -vE '^(FROM|COPY|WORKDIR|RUN|USER|ENTRYPOINT|CMD) ' <<<"$instructions"; then fail "an instruction that this test does not know"; fi
[[ $(of_kind FROM) == $'debian:12-slim AS build\ndebian:12-slim' ]] || fail "other images: $(of_kind FROM)"

# The first two steps are scripts of ours; package_test.sh runs the second one.
mapfile -t steps < <(of_kind RUN)
[[ ${steps[0]} == mount-scripts/install-dependencies.sh ]] || fail "the first step is ${steps[0]}"
[[ ${steps[1]} == 'mount-scripts/build-package.sh /packages' ]] || fail "the second step is ${steps[1]}"
for script in install-dependencies build-package; do
  [[ -x $root/mount-scripts/$script.sh ]] || fail "$script.sh cannot be run"
  bash -n "$root/mount-scripts/$script.sh"
done
# The third installs what the second made: as cpack names it.
[[ $(of_kind COPY | tail -n 1) == '--from=build /packages/shardfs_*.deb /tmp/' ]] || fail "another package is copied"
[[ ${steps[2]} == *'apt-get install '*' /tmp/shardfs_*.deb '* ]] || fail "the package is not installed"
grep -q 'FILE_NAME "DEB-DEFAULT"' "$SHARDFS_BUILD_DIR/CPackConfig.cmake" || fail "cpack names packages otherwise"
for ((i = 2; i < ${#steps[@]}; ++i)); do bash -n <<<"${steps[i]}"; done
# The image's words are those of shardfs, as nobody: what must mount says --user 0 and another entry point. Its last stage
# builds nothing, so it has no compiler.
[[ $(of_kind ENTRYPOINT) == '["shardfs"]' && $(of_kind CMD) == '["--help"]' ]] || fail "another entry point"
[[ $(of_kind USER) == 65534:65534 ]] || fail "the image runs as $(of_kind USER)"
last_stage=$(sed -n '/^FROM debian:12-slim$/,$p' <<<"$instructions")
if grep -qE 'install-dependencies|build-essential|g\+\+|cmake' <<<"$last_stage"; then fail "the image has what it was built with"; fi
grep -qF -- "--user 0" "$dockerfile" || fail "how to mount is not said"
release_image=$(<"$root/mount-scripts/build-image.sh")
[[ $release_image == *'"User": "65534:65534", "Entrypoint": ["shardfs"], "Cmd": ["--help"]'* ]] || fail "the release's image differs"
# What is not to be sent to the engine.
grep -qx .git "$root/.dockerignore" || fail ".dockerignore lets .git in"
grep -qx "build\*" "$root/.dockerignore" || fail ".dockerignore lets builds in"
# The entry point of the manifests is in the package.
grep -qF "container-mount DESTINATION \${CMAKE_INSTALL_LIBEXECDIR}/shardfs" "$root/mount-scripts/cmake/package.cmake" ||
  fail "container-mount is not installed"

# Every package that is installed exists, where apt has lists to tell.
mapfile -t packages < <(sed -n '/^packages=(/,/^)/p' "$root/mount-scripts/install-dependencies.sh" | sed '1d;$d' | xargs -n 1)
((${#packages[@]} > 5)) || fail "no list of packages in install-dependencies.sh"
if apt-cache show fuse3 >/dev/null 2>&1; then
  for package in "${packages[@]}" fuse3; do
    apt-cache show "$package" >/dev/null 2>&1 || fail "there is no package $package"
  done
fi

# ---- the entry point ----

require_fuse
mkdir "$scratch/bin"
ln -s "$SHARDFS_EXECUTABLE" "$scratch/bin/shardfs"
export PATH=$scratch/bin:$PATH
point=$scratch/views/r1
start() {
  "$root/mount-scripts/container-mount" "$golden/source" "$point" "${golden_sizes[@]}" 2>>"$scratch/log" &
  server=$!
  # To open it, not to look: of a dead mount the kernel still knows the names.
  wait_for head -c 1 "$point/config.json" || fail "nothing is mounted: $(<"$scratch/log")"
}
expect_refused 2 'and got 1 arguments' "$root/mount-scripts/container-mount" "$golden/source"
start
expect_golden "$point"
kill -TERM "$server"
wait "$server" || fail "the container ends with $?: $(<"$scratch/log")"
expect_not_mounted "$point"

# A container that was killed leaves a dead mount; the next one takes its place.
start
kill -KILL "$server"
wait "$server" 2>/dev/null || true
findmnt --mountpoint "$point" >/dev/null || fail "there is no dead mount to clear away"
start
expect_golden "$point"

# What preStop of the manifest runs.
stop="shardfs umount --if-mounted --lazy"
grep -qF "command: [\"${stop// /\", \"}\"," "$root/mount-scripts/kubernetes/mount-daemonset.yaml" ||
  fail "the manifest has another preStop than: $stop"
$stop "$point"
wait "$server" || fail "the container ends with $? after preStop"
expect_not_mounted "$point"
