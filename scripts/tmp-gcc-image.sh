#!/bin/bash
# build-test-image.sh DIR: a real riscv64 Debian trixie (apt, bash, perl, python3) and the
# benchmark of scripts/bench as the OCI layout DIR, tagged latest. Root only: package scripts run
# in a chroot under QEMU. BUILD_DIR (default: a temporary folder) is kept when given.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
layout=$(realpath -m "$1")
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh

readonly PACKAGES=gcc,libc6-dev,git,make
readonly PATHS=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Foreign programs start only where the kernel knows their interpreter.
require_binfmt() {
    local formats=/proc/sys/fs/binfmt_misc
    [ -e "$formats/register" ] || mount -t binfmt_misc binfmt_misc "$formats"
    [ -e "$formats/qemu-riscv64" ] || update-binfmts --enable qemu-riscv64
    grep -qx enabled "$formats/qemu-riscv64"
}

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
require_binfmt || { echo "$0: riscv64 programs cannot run here: install qemu-user-static" >&2; exit 1; }
build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

echo "== packages"
mkdir -p "$build/extra/usr/local/bin"
riscv64-linux-gnu-gcc -O2 -static -Wall -Wextra -o "$build/extra/usr/local/bin/bench" \
    scripts/bench/bench.c
mmdebstrap --quiet --mode=root --variant=minbase --architectures=riscv64 \
    --include="$PACKAGES" --keyring="$DEBIAN_KEYRING" \
    --customize-hook="sync-in $build/extra /" \
    "$DEBIAN_SUITE" "$build/root.tar" "$(debian_mirror)"

echo "== layout"
rm -rf "$layout"
mkdir -p "$(dirname "$layout")"
umoci init --layout "$layout"
umoci new --image "$layout:latest"
umoci raw add-layer --image "$layout:latest" "$build/root.tar"
umoci config --image "$layout:latest" --os linux --architecture riscv64 \
    --config.env "PATH=$PATHS" --config.cmd bash
umoci gc --layout "$layout"
du -sh "$layout"
