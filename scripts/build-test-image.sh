#!/bin/bash
# build-test-image.sh [--architecture ARCHITECTURE] DIR: a real Debian trixie (apt, bash, perl,
# python3) and the benchmark of scripts/bench as the OCI layout DIR, tagged latest. ARCHITECTURE is
# Debian's name of it, by default riscv64. Root only: package scripts run in a chroot under QEMU.
# BUILD_DIR (default: a temporary folder) is kept when given.
set -euo pipefail
architecture=riscv64
if [ "${1:-}" = --architecture ]; then
    architecture=${2:-}
    shift 2
fi
[ $# = 1 ] || { echo "usage: $0 [--architecture ARCHITECTURE] DIR" >&2; exit 2; }
layout=$(realpath -m "$1")
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh
. scripts/lib/binfmt.sh
. scripts/lib/image.sh

readonly PACKAGES=busybox,gzip,python3

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

echo "== packages"
mkdir -p "$build/extra/usr/local/bin"
"$(gnu_type "$architecture")-gcc" -O2 -static -Wall -Wextra \
    -o "$build/extra/usr/local/bin/bench" scripts/bench/bench.c
debian_tar "$architecture" "$PACKAGES" "$build/root.tar" \
    --customize-hook="sync-in $build/extra /"

echo "== layout"
oci_layout "$architecture" "$build/root.tar" "$layout"
du -sh "$layout"
