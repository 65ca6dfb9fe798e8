#!/bin/bash
# Runs every case of tests/end_to_end on each WASI runtime that can be had here, and writes versions,
# start times and a table of what passed into docs/runtimes.md.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PAGE=docs/runtimes.md
readonly NAMES=(wasmtime wasmtime-component wazero wasmedge node iwasm-aot iwasm wasmer)

scripts/install-runtimes.sh
home=${XDG_CACHE_HOME:-$HOME/.cache}/c2w/runtimes
export PATH=${C2W_RUNTIMES:+$C2W_RUNTIMES:}$home/bin:$PATH
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# What a runtime says of its version, or its package.
version() {
    local program=${1%-aot}
    program=${program%-component}
    if [ "$program" = wasmer ]; then
        echo "$(cat "$home/wasmer-python.version") (SDK)"
    elif [ "$(command -v "$program")" = "$home/bin/$program" ] && [ -e "$home/$program.version" ]; then
        echo "$(cat "$home/$program.version") (Debian)"
    else
        "$program" --version 2> /dev/null | grep -o '[0-9][0-9.]*[0-9]' | sed -n 1p
    fi
}

cargo test --release --locked --test end_to_end --no-run
for name in "${NAMES[@]}"; do
    # A case that fails is in the table.
    cargo test --release --locked --test end_to_end -- "$name::" | tee -a "$build/results" || true
done
cargo test --release --locked --test end_to_end -- --ignored --test-threads 1 start_time \
    | tee -a "$build/results"

# There is a test in brackets for what is missing.
found=()
for name in "${NAMES[@]}"; do
    grep -q "^test *\\[not installed\\] *$name::all" "$build/results" || found+=("$name")
done
{
    echo '| runtime | version | start, seconds | processor seconds |'
    echo '|---|---|---|---|'
    for name in "${found[@]}"; do
        printf '| %s | %s |' "$name" "$(version "$name")"
        awk -v name="$name" '$1 == "start" && $2 == name { print " " $3 " | " $4 " |" }' "$build/results"
    done
    echo
    awk -v found="${found[*]}" -f scripts/lib/runtimes_table.awk "$build/results"
} > "$build/table"
sed -i -e '/^<!-- results -->$/,/^<!-- end of results -->$/{//!d}' -e "/^<!-- results -->\$/r $build/table" "$PAGE"
! grep -q '^test .*FAILED' "$build/results"
