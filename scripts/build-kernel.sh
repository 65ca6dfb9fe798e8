#!/bin/bash
# Builds prebuilt/riscv64/Image.zst: Linux from Debian trixie's source package, kernel/config and
# kernel/patches. Needs no root. BUILD_DIR (default: a new temporary folder) is kept when given.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
. scripts/lib/debian.sh
. scripts/lib/prebuilt.sh
. kernel/VERSION

build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

echo "== source: linux-source-6.12 $KERNEL_PACKAGE_VERSION"
trixie_update "$build/apt" riscv64
found=$(trixie_apt "$build/apt" riscv64 apt-cache show linux-source-6.12 \
    | awk '$1 == "Version:" { print $2 }' | grep -xF "$KERNEL_PACKAGE_VERSION" || true)
require_same linux-source-6.12 "$KERNEL_PACKAGE_VERSION" "${found:-other versions}"
(cd "$build" && trixie_apt "$build/apt" riscv64 \
    apt-get download "linux-source-6.12=$KERNEL_PACKAGE_VERSION" > /dev/null)
mkdir -p "$build/linux"
dpkg-deb --fsys-tarfile "$build"/linux-source-6.12_*.deb \
    | tar -xO ./usr/src/linux-source-6.12.tar.xz > "$build/linux.tar.xz"
echo "$KERNEL_SOURCE_SHA256  $build/linux.tar.xz" | sha256sum --check --quiet
tar -xf "$build/linux.tar.xz" -C "$build/linux" --strip-components=1

echo "== patches and configuration"
cd "$build/linux"
for patch in "$top"/kernel/patches/*.patch; do
    patch -p1 --quiet --no-backup-if-mismatch < "$patch"
done
export KBUILD_BUILD_TIMESTAMP="$KERNEL_BUILD_TIMESTAMP" KBUILD_BUILD_USER=c2w \
    KBUILD_BUILD_HOST=c2w KBUILD_BUILD_VERSION=1 ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- LC_ALL=C
make -s KCONFIG_ALLCONFIG="$top/kernel/config" allnoconfig
"$top/scripts/lib/check-kernel-config.sh" "$top/kernel/config" .config

echo "== build"
make -s -j"${JOBS:-$(nproc)}" Image
chmod 0644 arch/riscv/boot/Image
zstd -q -19 --force arch/riscv/boot/Image -o "$top/prebuilt/riscv64/Image.zst"
cd "$top"
record_packages riscv64/Image.zst \
    gcc-riscv64-linux-gnu gcc-12-riscv64-linux-gnu binutils-riscv64-linux-gnu make bison flex bc zstd
record_artifact riscv64/Image.zst
ls -l prebuilt/riscv64/Image.zst
