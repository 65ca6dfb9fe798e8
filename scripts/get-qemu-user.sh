#!/bin/bash
# get-qemu-user.sh [ARCHITECTURE]: gets the QEMU that emulator/streams and scripts/foreign.sh compare
# with: Debian trixie's qemu-user (10.0 or later; bookworm's 7.2 lacks half of RVA23), whatever Debian
# this machine runs. ARCHITECTURE is QEMU's name, by default riscv64. It is one static program, kept
# where the test looks for it: $QEMU_RISCV64, else c2w/qemu-ARCHITECTURE in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh

name=qemu-${1:-riscv64}
target=${XDG_CACHE_HOME:-$HOME/.cache}/c2w/$name
[ "$name" != qemu-riscv64 ] || target=${QEMU_RISCV64:-$target}
version() {
    "$target" --version | sed -n 's/^.* version \([0-9]*\)\..*/\1/p'
}
if [ -x "$target" ] && [ "$(version)" -ge 10 ]; then
    echo "$target is there already"
    exit
fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
architecture=$(dpkg --print-architecture)
trixie_update "$build" "$architecture"
(cd "$build" && trixie_apt "$build" "$architecture" apt-get download qemu-user > /dev/null)
dpkg-deb --fsys-tarfile "$build"/qemu-user_*.deb | tar -xO "./usr/bin/$name" > "$build/qemu"
mkdir -p "$(dirname "$target")"
install -m 0755 "$build/qemu" "$target"
"$target" --version | sed -n 1p
echo "$target"
