#!/bin/bash
# The Debian packages: made from this build, unpacked elsewhere, and used from there. With CI=true as root, or
# SHARDFS_TEST_INSTALL=1, also installed into this machine, mounted from /etc/fstab, and removed.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
require_command dpkg-shlibdeps

(umask 077 && "$root/mount-scripts/build-package.sh" --build-dir "$SHARDFS_BUILD_DIR" "$scratch/packages") \
  >"$scratch/build.log" 2>&1 || fail "build-package.sh: $(tail -n 20 "$scratch/build.log")"
package=$(echo "$scratch"/packages/shardfs_*.deb)
development=$(echo "$scratch"/packages/shardfs-dev_*.deb)
[[ -e $package && -e $development ]] || fail "no packages in $(ls "$scratch/packages")"

# ---- how users build it: the warnings of another compiler are no errors there, as they are in tests/run.sh ----

for preset in $(cd "$root" && cmake --list-presets | sed -n 's/^ *"\([a-z]*\)".*/\1/p'); do
  variables=$(cd "$root" && cmake --preset "$preset" -N -B "$scratch/nothing" 2>&1) || true
  [[ $variables == *CMAKE_BUILD_TYPE=* ]] || fail "cmake does not list the variables of the preset '$preset': $variables"
  [[ $variables != *WARNING_AS_ERROR* ]] || fail "the preset '$preset' makes warnings errors"
done
grep -q 'CMAKE_COMPILE_WARNING_AS_ERROR=' "$root/tests/run.sh" || fail "tests/run.sh does not make warnings errors"

# ---- what they say ----

version=$("$SHARDFS_EXECUTABLE" --version)
[[ "shardfs $(dpkg-deb -f "$package" Version)" == "$version" ]] || fail "the package is not of $version"
depends=", $(dpkg-deb -f "$package" Depends), "
for dependency in fuse3 mount libfuse3-3 libc6 libtbb12 libfmt9; do
  [[ $depends == *", $dependency"[,\ ]* ]] || fail "no $dependency among the dependencies$depends"
done
for file in "$package" "$development"; do
  dpkg-deb -e "$file" "$scratch/control"
  conffiles=$(cat "$scratch/control/conffiles" 2>/dev/null || true)
  expected=''
  if [[ $file == "$package" ]]; then expected=/etc/logrotate.d/shardfs; fi
  [[ $conffiles == "$expected" ]] || fail "the configuration files of $file are '$conffiles', not '$expected'"
  rm -r "$scratch/control"
  # Everything is root's, and nobody else may write to it.
  if dpkg-deb -c "$file" | grep -v '^l' | grep -vE '^[d-]rw[x-]r-[x-]r-[x-] root/root '; then
    fail "$file has a wrong mode or owner"
  fi
done

# ---- made again: the same bytes, in another directory ----

mapfile -t times < <(dpkg-deb --fsys-tarfile "$package" | TZ=UTC0 tar --full-time -tv | awk '{ print $4, $5 }' | sort -u)
((${#times[@]} == 1)) || fail "files of the package have ${#times[@]} times"
epoch=$(date -u -d "${times[0]}" +%s)
mkdir "$scratch/again"
(cd "$SHARDFS_BUILD_DIR" && SOURCE_DATE_EPOCH=$epoch cpack -G DEB --config CPackConfig.cmake -B "$scratch/again" \
  -D CPACK_COMPONENTS_ALL=shardfs) >"$scratch/again.log" 2>&1 || fail "cpack: $(tail "$scratch/again.log")"
cmp "$package" "$scratch/again/$(basename "$package")" || fail "a second package has other bytes"

# ---- what Debian's checker says ----

if command -v lintian >/dev/null; then
  lintian --fail-on error --allow-root --no-tag-display-limit "$package" "$development" >"$scratch/lintian" 2>&1 ||
    fail "lintian: $(grep ^E "$scratch/lintian" || cat "$scratch/lintian")"
else
  echo "lintian is not installed, and not tried"
fi

# ---- unpacked elsewhere ----

dpkg-deb -x "$package" "$scratch/unpacked"
dpkg-deb -x "$development" "$scratch/dev"
for file in usr/bin/shardfs usr/bin/shardfs-materialize-node usr/sbin/mount.shardfs usr/sbin/mount.fuse.shardfs \
  usr/sbin/shardfs-tmpfs etc/logrotate.d/shardfs \
  usr/libexec/shardfs/container-mount usr/libexec/shardfs/mindspore/auto_trans_ckpt.py \
  usr/libexec/shardfs/mindspore/shardfs_mindspore.py usr/libexec/shardfs/mindspore/transform_checkpoint.py \
  usr/libexec/shardfs/mindspore/transform_checkpoint.sh usr/libexec/shardfs/mindspore/transform_ckpt_lora.py \
  usr/libexec/shardfs/mindspore/unified_safetensors.py \
  usr/lib/systemd/system/shardfs@.service \
  usr/lib/systemd/system/shardfs-tmpfs@.service usr/share/bash-completion/completions/shardfs \
  usr/share/fish/vendor_completions.d/shardfs.fish usr/share/zsh/vendor-completions/_shardfs \
  usr/share/man/man1/shardfs.1.gz usr/share/man/man1/shardfs-mount.1.gz usr/share/man/man1/shardfs-layouts.1.gz usr/share/man/man8/mount.shardfs.8.gz \
  usr/share/doc/shardfs/README.md usr/share/doc/shardfs/README.zh.md \
  usr/share/doc/shardfs/mindie/README.md usr/share/doc/shardfs/mindie/README.zh.md \
  usr/share/doc/shardfs/vllm/README.md usr/share/doc/shardfs/vllm/README.zh.md \
  usr/share/doc/shardfs/examples/monitoring/pod-monitor.yaml usr/share/doc/shardfs/examples/monitoring/shardfs.rules.yaml \
  usr/share/doc/shardfs/mindspore/README.md usr/share/doc/shardfs/mindspore/README.zh.md \
  usr/share/doc/shardfs/ascend-deepseek-moe/README.md usr/share/doc/shardfs/ascend-deepseek-moe/README.zh.md \
  usr/share/doc/shardfs/copyright usr/share/doc/shardfs/examples/example.conf \
  usr/share/doc/shardfs/examples/kubernetes/mount-daemonset.yaml \
  usr/share/doc/shardfs/examples/kubernetes/kustomization.yaml \
  usr/share/doc/shardfs/examples/slurm/materialize.sbatch; do
  [[ -e $scratch/unpacked/$file ]] || fail "$file is not in the package"
done
# What it is, and its limits, as the repository has them.
for page in README.md:'What it does not do' README.zh.md:限制与约束; do
  installed=$scratch/unpacked/usr/share/doc/shardfs/${page%%:*}
  cmp "$root/${page%%:*}" "$installed" || fail "the package has another ${page%%:*}"
  grep -qx "## ${page#*:}" "$installed" || fail "${page%%:*} does not say the limits"
done
[[ $("$scratch/unpacked/usr/bin/shardfs" --version) == "$version" ]] || fail "the installed program does not run"
if { : <>/dev/fuse; } 2>/dev/null; then
  mkdir "$scratch/mount"
  "$scratch/unpacked/usr/sbin/mount.shardfs" "$golden/source" "$scratch/mount" -o dp=2,tp=2,moe_tp=2,moe_ep=2,mtp
  expect_golden "$scratch/mount"
  "$scratch/unpacked/usr/bin/shardfs" umount "$scratch/mount"
fi
cmake --install "$SHARDFS_BUILD_DIR" --component shardfs --prefix "$scratch/elsewhere" >/dev/null
[[ -e $scratch/elsewhere/etc/logrotate.d/shardfs && -e $scratch/elsewhere/sbin/mount.fuse.shardfs ]] ||
  fail "cmake --install leaves out what the package has"

# ---- the library, found by CMake and by pkg-config ----

mkdir "$scratch/consumer"
cat >"$scratch/consumer/main.cc" <<'TEXT'
#include <cstdio>

#include "shardfs/layout/registry.h"
#include "shardfs/materialize/materialize_plan.h"

int main(int, char** argv) {
  const auto checkpoint = shardfs::Readers().front()->Open(argv[1], shardfs::OptionValues());
  if (!checkpoint.ok()) return 1;
  const shardfs::Layout& layout = *shardfs::Layouts().front();
  std::vector<const shardfs::OptionSpec*> specs;
  for (const shardfs::OptionSpec& spec : layout.options()) specs.push_back(&spec);
  std::vector<shardfs::GivenOption> given;
  for (const char* size : {"dp", "tp", "moe_tp", "moe_ep"}) {
    given.push_back({size, "2", shardfs::OptionOrigin::kCommandLine, size});
  }
  const auto options = shardfs::OptionValues::Create(given, specs);
  if (!options.ok()) return 2;
  const auto view = layout.Build(*checkpoint, *options, {});
  if (!view.ok()) return 3;
  std::printf("%u ranks\n", view->world_size);
}
TEXT
cat >"$scratch/consumer/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(shardfs 0.1 REQUIRED)
add_executable(consumer main.cc)
target_link_libraries(consumer PRIVATE shardfs::core)
TEXT
sanitize=$(sed -n 's/^SHARDFS_SANITIZE:STRING=//p' "$SHARDFS_BUILD_DIR/CMakeCache.txt")
flags=${sanitize:+-fsanitize=$sanitize}
if grep -q -- "^CMAKE_CXX_FLAGS.*--coverage" "$SHARDFS_BUILD_DIR/CMakeCache.txt"; then flags+=" --coverage"; fi
cmake -S "$scratch/consumer" -B "$scratch/consumer/build" -DCMAKE_PREFIX_PATH="$scratch/dev/usr" \
  -DCMAKE_CXX_FLAGS="$flags" >"$scratch/cmake.log" 2>&1 || fail "find_package: $(<"$scratch/cmake.log")"
cmake --build "$scratch/consumer/build" >"$scratch/cmake.log" 2>&1 || fail "find_package: $(<"$scratch/cmake.log")"
[[ $("$scratch/consumer/build/consumer" "$golden/source") == '4 ranks' ]] || fail "the program made with CMake is wrong"

pkgconfig=$(dirname "$(find "$scratch/dev" -name shardfs.pc)")
# shellcheck disable=SC2046,SC2086 # flags are words
g++ $flags -o "$scratch/consumer/by-pkg-config" "$scratch/consumer/main.cc" \
  $(PKG_CONFIG_PATH=$pkgconfig pkg-config --cflags --libs shardfs) || fail "pkg-config's flags do not link"
[[ $("$scratch/consumer/by-pkg-config" "$golden/source") == '4 ranks' ]] || fail "the program made with pkg-config is wrong"

# ---- installed into this machine ----

if ((EUID != 0)) || [[ ${SHARDFS_TEST_INSTALL:-} != 1 && ${CI:-} != true ]]; then
  echo "not installed into this machine; SHARDFS_TEST_INSTALL=1 as root does so"
  exit 0
fi
# One at a time: another run of the tests may be at the same place.
exec {installing}>"${XDG_RUNTIME_DIR:-/run/lock}/shardfs-package-test.lock"
flock "$installing"
[[ $(dpkg-query -W -f='${db:Status-Status}' shardfs 2>/dev/null) != installed ]] ||
  skip "the package shardfs is installed here, and a test must not replace it"
require_fuse
"$MAKE_CHECKPOINT" "$scratch/demo" >/dev/null

# shellcheck disable=SC2016 # for the inner shell to expand
# In a mount namespace of their own, so that the machine's /etc/fstab stays as it is, whatever happens.
dpkg -i "$package" >/dev/null
trap 'dpkg -P shardfs >/dev/null || true; clean_up' EXIT
unshare --mount --propagation private bash -euo pipefail -c '
  scratch=$1
  mkdir "$scratch/fstab-mount"
  echo "$scratch/demo $scratch/fstab-mount shardfs dp=2,tp=8,moe_tp=4,moe_ep=4,mtp,nofail,allow_other 0 0" >"$scratch/fstab"
  mount --bind "$scratch/fstab" /etc/fstab
  mount "$scratch/fstab-mount"
  trap "umount \"$scratch/fstab-mount\"" EXIT
  shardfs verify "$scratch/demo" "$scratch/fstab-mount" --dp 2 --tp 8 --moe-tp 4 --moe-ep 4 --mtp
' bash "$scratch" || fail "the line of fstab does not serve the checkpoint"
dpkg -r shardfs >/dev/null
[[ ! -e /usr/bin/shardfs && ! -e /usr/sbin/mount.shardfs && ! -e /usr/sbin/mount.fuse.shardfs ]] ||
  fail "dpkg -r left something behind"
dpkg -P shardfs >/dev/null # forgets its maintainer scripts and its configuration as well
[[ ! -e /etc/logrotate.d/shardfs ]] || fail "dpkg -P left its configuration behind"
trap clean_up EXIT
