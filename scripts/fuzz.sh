#!/bin/bash
# Runs a fuzzer of fuzz/ with libFuzzer and AddressSanitizer: scripts/fuzz.sh TARGET [SECONDS]
# Without SECONDS it runs until it is stopped; `scripts/fuzz.sh build` builds all of them first. New inputs stay in target/fuzz/TARGET (or below
# $CARGO_TARGET_DIR); `scripts/fuzz.sh TARGET merge` puts those that matter into fuzz/corpus/TARGET.
#
# Needs x86_64, the stable toolchain, a C++ compiler for libFuzzer and crates.io, no cargo-fuzz.
# The compiler's flags for instrumentation are not for stable programs, hence RUSTC_BOOTSTRAP.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?"usage: scripts/fuzz.sh TARGET [SECONDS | merge], or build"}
seconds=${2:-0}
host=x86_64-unknown-linux-gnu
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/fuzz

flags=(
    --cfg fuzzing -Zsanitizer=address -Ccodegen-units=1
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
)
if [ "$target" = build ]; then programs=(--bins); else programs=(--bin "$target"); fi
# With --target, build scripts are built without the flags.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" cargo build --quiet --locked --release \
    --manifest-path fuzz/Cargo.toml --target "$host" "${programs[@]}"
[ "$target" != build ] || exit 0
program=$CARGO_TARGET_DIR/$host/release/$target
found=$CARGO_TARGET_DIR/$target committed=fuzz/corpus/$target
mkdir -p "$found" "$committed"

# Per input: 10 s; 512 MiB in all, of which libFuzzer keeps some; 64 MiB at once.
# Freed memory that AddressSanitizer holds back, 256 MiB of it by default, would count as well.
export ASAN_OPTIONS=quarantine_size_mb=16
limits=(-timeout=10 -rss_limit_mb=512 -malloc_limit_mb=64)
if [ "$seconds" = merge ]; then
    merged=$(mktemp -d)
    trap 'rm -rf "$merged"' EXIT
    "$program" -merge=1 -use_counters=0 "${limits[@]}" "$merged" "$committed" "$found"
    rm -rf "$committed"
    cp -r "$merged" "$committed"
    exit
fi
exec "$program" "${limits[@]}" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$found.failed-" "$found" "$committed"
