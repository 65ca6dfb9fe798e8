#!/bin/bash
# rebuild-prebuilt.sh [ARTIFACT...]: builds artifacts of prebuilt/ (default: all) again in a copy of
# this repository and fails when the bytes differ. An artifact whose recorded tools are not
# installed in the recorded versions is passed over: other tools may give other bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

builder() {
    case $1 in
        riscv64/Image.zst) echo build-kernel.sh ;;
        riscv64/initramfs.cpio.zst) echo build-initramfs.sh ;;
        riscv64/qemu-user.tar.zst) echo build-qemu-user.sh ;;
        riscv64/runtime.wasm | riscv64/runtime-component.wasm) echo build-runtime.sh ;;
        *) echo "no such artifact: $1" >&2; return 2 ;;
    esac
}

# Whether the tools that an artifact was built with are here, in the same versions.
same_tools() {
    local installed
    installed=$(cut -f 1 "prebuilt/$1.packages" | cut -d : -f 1 | xargs dpkg-query -W 2> /dev/null) || return 1
    diff -q <(LC_ALL=C sort <<< "$installed") "prebuilt/$1.packages" > /dev/null
}

[ $# -gt 0 ] || set -- riscv64/{runtime.wasm,runtime-component.wasm,initramfs.cpio.zst,qemu-user.tar.zst,Image.zst}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$copy"
differ=0
for artifact in "$@"; do
    script=$(builder "$artifact")
    if ! same_tools "$artifact"; then
        echo "$artifact: not rebuilt, its recorded tools are not installed"
        continue
    fi
    # One script may make several artifacts.
    if [ ! -e "$copy/$script.done" ]; then
        "$copy/scripts/$script" > "$copy/log" 2>&1 || { cat "$copy/log" >&2; exit 1; }
        touch "$copy/$script.done"
    fi
    if cmp "prebuilt/$artifact" "$copy/prebuilt/$artifact"; then
        echo "$artifact: the same bytes"
    else
        differ=1
    fi
done
exit "$differ"
