#!/bin/bash
# Gets the QEMU that emulator/streams compares with: Debian trixie's qemu-user (10.0 or later;
# bookworm's 7.2 lacks half of RVA23), whatever Debian this machine runs. It is one static program,
# kept where the test looks for it: $QEMU_RISCV64, else c2w/qemu-riscv64 in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh

target=${QEMU_RISCV64:-${XDG_CACHE_HOME:-$HOME/.cache}/c2w/qemu-riscv64}
# It lists its processors with an exit status of 1.
if [ -x "$target" ] && grep -qw rva23u64 <<< "$("$target" -cpu help || true)"; then
    echo "$target is there already"
    exit
fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
architecture=$(dpkg --print-architecture)
trixie_update "$build" "$architecture"
(cd "$build" && trixie_apt "$build" "$architecture" apt-get download qemu-user > /dev/null)
dpkg-deb --fsys-tarfile "$build"/qemu-user_*.deb | tar -xO ./usr/bin/qemu-riscv64 > "$build/qemu"
mkdir -p "$(dirname "$target")"
install -m 0755 "$build/qemu" "$target"
"$target" --version | sed -n 1p
echo "$target"
