#!/bin/bash
# Builds examples/busybox, a small OCI layout for linux/riscv64: Debian trixie's busybox-static and
# links for its commands. Needs no root; the same package gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh

readonly PACKAGE=busybox-static
readonly VERSION=1:1.37.0-6+b9
readonly CREATED=1970-01-01T00:00:00Z

build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT
trixie_update "$build/apt" riscv64
(cd "$build" && trixie_apt "$build/apt" riscv64 apt-get download "$PACKAGE=$VERSION" > /dev/null) \
    || require_same "$PACKAGE" "$VERSION" \
        "$(trixie_apt "$build/apt" riscv64 apt-cache show "$PACKAGE" | sed -n 's/^Version: //p' | tr '\n' ' ')"
dpkg-deb -x "$build/${PACKAGE}_"*.deb "$build/debian"

root=$build/root
mkdir -p "$root"/{bin,dev,etc,home,proc,root,run,sbin,sys,tmp,usr/bin,usr/sbin,var}
chmod 1777 "$root/tmp"
chmod 0700 "$root/root"
install -m 0755 "$build/debian/usr/bin/busybox" "$root/bin/busybox"
for command in $(qemu-riscv64 "$root/bin/busybox" --list); do
    [ -e "$root/bin/$command" ] || ln -s busybox "$root/bin/$command"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' > "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
cp "$build/debian/usr/share/doc/busybox-static/copyright" "$root/etc/busybox.copyright"

# blob FILE: moves a file into the layout and prints "DIGEST SIZE".
layout=examples/busybox
rm -rf "$layout/blobs" "$layout/index.json" "$layout/oci-layout"
mkdir -p "$layout/blobs/sha256"
blob() {
    local digest size
    digest=$(sha256sum "$1" | cut -d ' ' -f 1)
    size=$(stat -c %s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
    echo "sha256:$digest $size"
}
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar \
    -C "$root" -cf "$build/layer.tar" .
diff_id=sha256:$(sha256sum "$build/layer.tar" | cut -d ' ' -f 1)
gzip -9n < "$build/layer.tar" > "$build/layer.tar.gz"
read -r layer layer_size < <(blob "$build/layer.tar.gz")
printf '%s' "{\"created\":\"$CREATED\",\"architecture\":\"riscv64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"],\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"$diff_id\"]},\"history\":[{\"created\":\"$CREATED\",\"created_by\":\"Debian $PACKAGE $VERSION\"}]}" > "$build/config"
read -r config config_size < <(blob "$build/config")
printf '%s' "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"$config\",\"size\":$config_size},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"$layer\",\"size\":$layer_size}]}" > "$build/manifest"
read -r manifest manifest_size < <(blob "$build/manifest")
printf '%s' "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"$manifest\",\"size\":$manifest_size,\"platform\":{\"architecture\":\"riscv64\",\"os\":\"linux\"},\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}}]}" > "$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
du -sh "$layout"
