#!/bin/bash
# Builds prebuilt/riscv64/initramfs.cpio.zst: initramfs/init for riscv64, and Debian trixie's
# runc with the libraries it loads. Needs no root. BUILD_DIR (default: a temporary folder) is kept when given.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh
. scripts/lib/rust.sh

build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

echo "== init"
rust_environment "$top"
target=riscv64gc-unknown-linux-gnu
export CARGO_TARGET_DIR=${INIT_TARGET_DIR:-$build/target}
export CARGO_PROFILE_RELEASE_OPT_LEVEL=s CARGO_PROFILE_RELEASE_LTO=fat \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_PANIC=abort \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=symbols
export CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER=riscv64-linux-gnu-gcc
export CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Ctarget-feature=+crt-static \
-Crelocation-model=static -Clink-arg=-Wl,--build-id=none $RUST_REMAPS \
--remap-path-prefix=$CARGO_TARGET_DIR=/target"
/usr/bin/cargo build -q --locked --release -p c2w-init --target "$target" \
    -Zbuild-std=std,panic_abort -Zbuild-std-features=

echo "== runc and its libraries"
trixie_update "$build/apt" riscv64
rm -rf "$build/debian" "$build/root"
trixie_unpack "$build/apt" riscv64 initramfs/VERSIONS "$build/debian"

echo "== archive"
root=$build/root
mkdir -p "$root"/{bin,dev,lib,proc,run,sys}
install -m 0755 "$CARGO_TARGET_DIR/$target/release/c2w-init" "$root/init"
install -m 0755 "$build/debian/usr/sbin/runc" "$root/bin/runc"
for library in ld-linux-riscv64-lp64d.so.1 libc.so.6 libseccomp.so.2; do
    install -m 0755 "$build/debian/usr/lib/riscv64-linux-gnu/$library" "$root/lib/$library"
done
find "$root" -exec touch --no-dereference --date=@0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort \
    | cpio --quiet --create --format=newc --owner=0:0 --reproducible) > "$build/initramfs.cpio"
zstd -q -19 --force "$build/initramfs.cpio" -o prebuilt/riscv64/initramfs.cpio.zst

record_packages riscv64/initramfs.cpio.zst rustc-web cargo-web rust-web-src gcc-riscv64-linux-gnu \
    gcc-12-riscv64-linux-gnu binutils-riscv64-linux-gnu libc6-dev-riscv64-cross cpio zstd
record_artifact riscv64/initramfs.cpio.zst
ls -l prebuilt/riscv64/initramfs.cpio.zst
