#!/bin/bash
# Builds c2w, converts the image in examples/ and runs it: all that is needed is Rust, on Debian 12 as
# root also without a C compiler. The module is target/busybox.wasm (or below $CARGO_TARGET_DIR).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/packages.sh

require_rust
cargo build --release --locked
target=${CARGO_TARGET_DIR:-target}
module=$target/busybox.wasm
"$target/release/c2w" oci:examples/busybox "$module"
# Natively: no WASI runtime is needed. `wasmtime target/busybox.wasm uname -a` does the same.
"$target/release/c2w" run "$module" uname -a
