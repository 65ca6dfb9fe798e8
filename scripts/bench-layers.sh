#!/bin/bash
# Measures the way from layers to ext4: 500 MB in 30,000 files and 10,400 directories as a plain, a
# gzip and a zstd layer: scripts/bench-layers.sh [MEGABYTES]
# Prints CPU seconds and memory of `c2w rootfs`, and what each layer's inflater does alone. Needs
# python3, gzip, zstd, GNU time, e2fsck and about four times the megabytes in $TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-500}
cargo build --quiet --release --bin c2w --example layer_speed
release=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for kind in plain gzip zstd; do
    python3 scripts/lib/bench_layout.py "$kind" "$megabytes" "$work/layout"
    echo "== $kind"
    "$release/examples/layer_speed" "$work/layout"
    /usr/bin/time -f 'rootfs: %U s user, %S s system, %e s wall, %M KiB' \
        "$release/c2w" rootfs "oci:$work/layout" "$work/out.ext4"
    e2fsck -fn "$work/out.ext4" > /dev/null 2>&1 || echo "e2fsck finds errors" >&2
    rm -r "$work/layout" "$work/out.ext4"
done
