#!/bin/bash
# Builds prebuilt/riscv64/qemu-user.tar.zst: those programs of Debian trixie's riscv64 qemu-user that
# run images of other platforms, changed as qemu-user/README.md says. Needs no root. BUILD_DIR
# (default: a temporary folder) is kept when given.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh

# In this order: who wants one of the first ones reads no further, and similar ones are neighbours.
readonly PROGRAMS=(qemu-{x86_64,i386,aarch64,arm,loongarch64,mips64el,ppc64le,s390x})
# Where they are in memory: qemu-user/README.md.
readonly BASE=0x7f8000000000
# What qemu-aarch64 emulates by default: the same place.
readonly ARM64_CPU=neoverse-n1
# Of the window, 32 MiB, which holds the program before each: all of them in it would save another
# percent, and take 128 MiB to unpack.
readonly WINDOW_LOG=25

build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

echo "== programs"
trixie_update "$build/apt" riscv64
rm -rf "$build/debian" "$build/programs" && mkdir "$build/programs"
trixie_unpack "$build/apt" riscv64 qemu-user/VERSIONS "$build/debian"
for program in "${PROGRAMS[@]}"; do
    original=$build/debian/usr/bin/$program
    if [ "$program" = qemu-aarch64 ]; then
        python3 qemu-user/default_cpu.py "$ARM64_CPU" "$original" "$original.cpu"
        original=$original.cpu
    fi
    python3 qemu-user/prelink.py "$BASE" "$original" "$build/programs/$program"
done

echo "== archive"
tar -C "$build/programs" --format=ustar --owner=0 --group=0 --numeric-owner --mode=0755 \
    --mtime=@0 -cf "$build/qemu-user.tar" "${PROGRAMS[@]}"
zstd -q --ultra -22 --long="$WINDOW_LOG" --force "$build/qemu-user.tar" \
    -o "$top/prebuilt/riscv64/qemu-user.tar.zst"

record_packages riscv64/qemu-user.tar.zst tar zstd
record_artifact riscv64/qemu-user.tar.zst
ls -l prebuilt/riscv64/qemu-user.tar.zst
