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
. scripts/lib/image.sh

readonly MUST=python3,python3-venv,gcc,g++,libc6-dev,make,sqlite3,redis-server,redis-tools,git,perl,nginx-light,curl,openssl,procps
readonly MORE=postgresql,nodejs,sudo,cron,busybox,strace,gdb,openssl,procps
readonly PRIVILEGED=squashfuse,squashfs-tools,bindfs,fuse2fs,e2fsprogs,fuse3,bubblewrap,podman,buildah,runc,busybox-static,iproute2

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
image_and_root riscv64 "$MUST" "$cache/must"
image_and_root riscv64 "$MORE" "$cache/more"
umoci config --image "$cache/more:latest" --tag postgres --config.user postgres
image_and_root riscv64 "$PRIVILEGED" "$cache/privileged"
