#!/bin/bash
# fidelity-images.sh DIR: the images of scripts/fidelity.sh, real riscv64 Debian trixie, in DIR:
# for each, NAME is an OCI layout and NAME.root the same root unpacked. Root only: package scripts
# run in a chroot under QEMU. What is there already is kept.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
cache=$(realpath "$1")
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/binfmt.sh

readonly PATHS=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
readonly MUST=python3,python3-venv,gcc,g++,libc6-dev,make,sqlite3,redis-server,redis-tools,git,perl,nginx-light,curl,openssl,procps
readonly MORE=postgresql,nodejs,sudo,cron,busybox,strace,gdb,openssl,procps
readonly PRIVILEGED=squashfuse,squashfs-tools,bindfs,fuse2fs,e2fsprogs,fuse3,bubblewrap,podman,buildah,runc,busybox-static,iproute2

# 180 MB of the compiler that no case runs, and apt's patience with the mirror.
readonly UNUSED='cd "$1" && rm -f usr/libexec/gcc/*/*/lto1 usr/bin/*lto-dump* usr/lib/gcc/*/*/lib*san* \
    usr/lib/gcc/*/*/libstdc++*.a usr/lib/*/lib*san.so* etc/apt/apt.conf.d/99mmdebstrap'

# build NAME PACKAGES: once; packages come from this machine's own mirror.
build() {
    local name=$1 packages=$2 layout=$cache/$1 root=$cache/$1.root
    [ -e "$root" ] && return
    echo "== $name: packages"
    mmdebstrap --quiet --mode=root --variant=minbase --architectures=riscv64 \
        --include="$packages" --keyring="$DEBIAN_KEYRING" --aptopt='Acquire::Retries "5"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --customize-hook="$UNUSED" \
        "$DEBIAN_SUITE" "$cache/$name.tar" "$(debian_mirror)"
    echo "== $name: layout"
    rm -rf "$layout" "$root.new"
    umoci init --layout "$layout"
    umoci new --image "$layout:latest"
    umoci raw add-layer --image "$layout:latest" "$cache/$name.tar"
    umoci config --image "$layout:latest" --os linux --architecture riscv64 \
        --config.env "PATH=$PATHS" --config.cmd bash
    umoci config --image "$layout:latest" --tag postgres --config.user postgres
    umoci gc --layout "$layout"
    mkdir "$root.new"
    tar -xf "$cache/$name.tar" -C "$root.new" --numeric-owner --xattrs --xattrs-include='*'
    mv "$root.new" "$root"
    rm "$cache/$name.tar"
    du -sh "$layout" "$root"
}

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
require_binfmt
build must "$MUST"
build more "$MORE"
build privileged "$PRIVILEGED"
