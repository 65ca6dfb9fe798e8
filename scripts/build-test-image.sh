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
. scripts/lib/binfmt.sh

readonly PACKAGES=busybox,gzip,python3
readonly PATHS=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
require_binfmt
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
