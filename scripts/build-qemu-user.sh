#!/bin/bash
# Builds prebuilt/riscv64/qemu-user.tar.zst: those programs of Debian trixie's riscv64 qemu-user that
# run images of other platforms. Needs no root. BUILD_DIR (default: a temporary folder) is kept when
# given.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh

# In this order: who wants one of the first ones reads no further, and similar ones are neighbours.
readonly PROGRAMS=(qemu-{x86_64,i386,aarch64,arm,loongarch64,mips64el,ppc64le,s390x})
# The archive is read with a window of this many bytes' logarithm, so that each program is
# compressed with those before it.
readonly WINDOW_LOG=27

build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

echo "== programs"
trixie_update "$build/apt" riscv64
rm -rf "$build/debian"
trixie_unpack "$build/apt" riscv64 qemu-user/VERSIONS "$build/debian"

echo "== archive"
tar -C "$build/debian/usr/bin" --format=ustar --owner=0 --group=0 --numeric-owner --mode=0755 \
    --mtime=@0 -cf "$build/qemu-user.tar" "${PROGRAMS[@]}"
zstd -q --ultra -22 --long="$WINDOW_LOG" --force "$build/qemu-user.tar" \
    -o "$top/prebuilt/riscv64/qemu-user.tar.zst"

record_packages riscv64/qemu-user.tar.zst tar zstd
record_artifact riscv64/qemu-user.tar.zst
ls -l prebuilt/riscv64/qemu-user.tar.zst
