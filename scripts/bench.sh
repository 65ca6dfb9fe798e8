#!/bin/bash
# bench.sh [IMAGE]: what converting, starting and running a container costs, as Markdown tables on
# standard output. IMAGE (an oci: layout or a registry reference) must have what
# scripts/build-test-image.sh puts into its image; without IMAGE that image is built (root only).
#
# RUNS (default 5) is how often everything is measured, WASMTIME the wasmtime to use. Raw runs stay
# in target/bench; `python3 scripts/bench/table.py target/bench` prints them again. What of a run is
# translated code is told where python3 has PyPI's wasmtime, of WASMTIME's version. Needs 3 GiB. With
# NETWORK=1, scripts/network.sh adds what its iperf3 and 1,000 connections come to (root only).
set -euo pipefail
image=${1:-}
[ $# -le 1 ] || { echo "usage: $0 [IMAGE]" >&2; exit 2; }

# require COMMAND HOW: stops when COMMAND cannot be run.
require() {
    command -v "$1" > /dev/null || { echo "$0: needs $1: $2" >&2; exit 1; }
}
wasmtime=${WASMTIME:-wasmtime}
require "$wasmtime" "cargo install wasmtime-cli, or set WASMTIME to its path"
wasmtime=$(realpath -s "$(command -v "$wasmtime")")

# A layout's path, too, is relative to where the script was called.
case $image in oci:[!/]*) image=oci:$PWD/${image#oci:} ;; esac
cd "$(dirname "$0")/.."
require cargo "install Rust 1.95 or later"
require cc "install gcc"
require python3 "install python3"
require busybox "install busybox"

out=$PWD/target/bench
mkdir -p "$out/bin"
if [ -z "$image" ]; then
    [ -e "$out/image/index.json" ] || scripts/build-test-image.sh "$out/image" >&2
    image=oci:$out/image
fi
cargo build --release --locked --quiet
cc -O2 -static -o "$out/bin/bench" scripts/bench/bench.c

python3 -B scripts/bench/run.py \
    "$out" "$image" "${CARGO_TARGET_DIR:-target}/release/c2w" "$wasmtime" "${RUNS:-5}"
python3 -B scripts/bench/table.py "$out"
if [ -n "${NETWORK:-}" ]; then
    echo
    C2W=${CARGO_TARGET_DIR:-target}/release/c2w WASMTIME=$wasmtime \
        scripts/network.sh "$out/network" iperf3 connections
fi
