#!/bin/bash
# Builds prebuilt/riscv64/runtime.wasm, the emulator as a program for WASI preview 1, and
# runtime-component.wasm, the same for WASI 0.2. Both are without libc and standard library. Needs no
# root. BUILD_DIR (default: a temporary folder) is kept when given.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
. scripts/lib/prebuilt.sh
. scripts/lib/rust.sh

build=$(build_dir "${BUILD_DIR:-}")
[ -n "${BUILD_DIR:-}" ] || trap 'rm -rf "$build"' EXIT

rust_environment "$top"
target=wasm32-wasip1
# lld's package is numbered by LLVM, as the compiler says.
linker=wasm-ld-$($RUSTC -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
export CARGO_TARGET_DIR=${RUNTIME_TARGET_DIR:-$build/target}
export CARGO_TARGET_WASM32_WASIP1_LINKER=$linker
export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Clink-self-contained=no \
$RUST_REMAPS --remap-path-prefix=$CARGO_TARGET_DIR=/target"

# runtime OUTPUT [CARGO-OPTION...]: builds the module.
runtime() {
    local output=$1
    shift
    CARGO_PROFILE_RELEASE_OPT_LEVEL=3 CARGO_PROFILE_RELEASE_LTO=fat \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_PANIC=abort \
        CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=debuginfo \
        /usr/bin/cargo build -q --locked --release -p c2w-runtime --target "$target" \
        -Zbuild-std=core,alloc -Zbuild-std-features=compiler-builtins-mem "$@"
    install -m 0644 "$CARGO_TARGET_DIR/$target/release/c2w_runtime.wasm" "$output"
}

runtime prebuilt/riscv64/runtime.wasm
runtime "$build/core.wasm" --features wasip2
/usr/bin/cargo run -q --locked -p c2w-componentize -- \
    "$build/core.wasm" prebuilt/riscv64/runtime-component.wasm

for artifact in riscv64/runtime.wasm riscv64/runtime-component.wasm; do
    record_packages "$artifact" rustc-web cargo-web rust-web-src "lld-${linker##*-}"
    record_artifact "$artifact"
    ls -l "prebuilt/$artifact"
done
