#!/usr/bin/env bash
# Makes a container image without a container engine. See --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: mount-scripts/build-image.sh --arch ARCH --version VERSION TREE OUTPUT

Writes the image shardfs:VERSION as a tar in the layout of the Open Container Initiative, which also has what
`docker load` of older Docker looks for. TREE is what `cmake --install` made of a static program, below `usr`. Beside
that, the image has busybox (Debian's, GPL-2), for the shell of container-mount.

  --arch ARCH         amd64 or arm64
  --version VERSION   the image's tag
  --help              this text

Called by build-release.sh. SOURCE_DATE_EPOCH, which must be set, is the time of everything in it.
TEXT
}

refuse() {
  echo "build-image.sh: $1" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/mount-scripts/archives.sh"
architecture='' version='' places=()
while (($#)); do
  case $1 in
    --help) usage; exit 0 ;;
    --arch | --version)
      (($# > 1)) || refuse "$1 needs a value"
      if [[ $1 == --arch ]]; then architecture=$2; else version=$2; fi
      shift
      ;;
    -*) refuse "there is no option $1 (see --help)" ;;
    *) places+=("$1") ;;
  esac
  shift
done
[[ $architecture == amd64 || $architecture == arm64 ]] || refuse "--arch is amd64 or arm64, not '$architecture'"
[[ -n $version ]] || refuse "--version is missing"
((${#places[@]} == 2)) || refuse "give the tree and the file to write (see --help)"
tree=${places[0]} output=${places[1]}
[[ -x $tree/usr/bin/shardfs ]] || refuse "there is no program $tree/usr/bin/shardfs"
: "${SOURCE_DATE_EPOCH:?build-image.sh: SOURCE_DATE_EPOCH is not set}"

work=$(mktemp -d "${TMPDIR:-/tmp}/shardfs-image-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- the file system: one layer ----

layer=$work/layer
mkdir -p "$layer"/{bin,etc,mnt,tmp,usr/bin,usr/libexec,usr/share/doc/busybox,usr/share/doc/shardfs,var}
chmod 1777 "$layer/tmp"
cp "$tree/usr/bin/shardfs" "$layer/usr/bin/"
cp -r "$tree/usr/libexec/shardfs" "$layer/usr/libexec/"
cp "$tree/usr/share/doc/shardfs/copyright" "$layer/usr/share/doc/shardfs/"
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$layer/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$layer/etc/group"

archive_of bookworm "$work/archive" "$architecture" || refuse "$archive_failure"
(cd "$work" && apt-get "${archive[@]}" download busybox-static) >"$work/log" 2>&1 ||
  refuse "busybox cannot be had: $(tail -n 2 "$work/log")"
dpkg-deb -x "$work"/busybox-static_*.deb "$work/busybox"
cp "$work/busybox/bin/busybox" "$layer/bin/busybox"
cp "$work/busybox/usr/share/doc/busybox-static/copyright" "$layer/usr/share/doc/busybox/"
for applet in cat cp dirname ls mkdir mount rm rmdir sh sleep umount; do ln -s busybox "$layer/bin/$applet"; done

# ---- its description ----

image=$work/image
mkdir -p "$image/blobs/sha256"

# add_blob FILE: moves it to where the layout wants it; `digest` and `size` say what a descriptor says of it.
add_blob() {
  digest=$(sha256sum "$1" | cut -d ' ' -f 1)
  size=$(stat -c %s "$1")
  mv "$1" "$image/blobs/sha256/$digest"
}

created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
pack "$layer" bin etc mnt tmp usr var >"$work/layer.tar"
add_blob "$work/layer.tar"
layer_digest=$digest layer_size=$size

cat >"$work/config.json" <<TEXT
{"created": "$created", "architecture": "$architecture", "os": "linux",
 "config": {"Env": ["PATH=/usr/bin:/bin"], "User": "65534:65534", "Entrypoint": ["shardfs"], "Cmd": ["--help"], "WorkingDir": "/",
            "Labels": {"org.opencontainers.image.title": "shardfs", "org.opencontainers.image.version": "$version"}},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer_digest"]},
 "history": [{"created": "$created", "created_by": "mount-scripts/build-image.sh"}]}
TEXT
add_blob "$work/config.json"
config_digest=$digest config_size=$size

cat >"$work/manifest.json" <<TEXT
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:$config_digest", "size": $config_size},
 "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:$layer_digest", "size": $layer_size}]}
TEXT
add_blob "$work/manifest.json"

cat >"$image/index.json" <<TEXT
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
 "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:$digest", "size": $size,
   "platform": {"architecture": "$architecture", "os": "linux"},
   "annotations": {"io.containerd.image.name": "docker.io/library/shardfs:$version",
                   "org.opencontainers.image.ref.name": "$version"}}]}
TEXT
printf '{"imageLayoutVersion": "1.0.0"}\n' >"$image/oci-layout"
# For Docker before 25, which knows only its own layout.
printf '[{"Config": "blobs/sha256/%s", "RepoTags": ["shardfs:%s"], "Layers": ["blobs/sha256/%s"]}]\n' \
  "$config_digest" "$version" "$layer_digest" >"$image/manifest.json"
pack "$image" blobs index.json manifest.json oci-layout >"$output"
