#!/bin/bash
# fuzz-isa.sh SECONDS [SEED]: random instruction streams, from a new seed each time: half of the time
# in the emulator and under QEMU, half of it in the emulator with and without translated code, with
# streams of all kinds and with vectors. Prints the first stream that differs, as short as it gets;
# C2W_FUZZ_STREAM=SEED runs that one again on all sides. emulator/streams/tests and tests/lockstep
# have the same with fixed seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 1 ] || { sed -n 2,6p "$0" >&2; exit 2; }
export C2W_FUZZ_SECONDS=$((($1 + 1) / 2))
[ -z "${2:-}" ] || export C2W_FUZZ_SEED=$2
scripts/get-qemu-user.sh
cargo test --locked --package c2w-streams --test qemu -- --ignored --exact --nocapture fuzz
export C2W_FUZZ_SECONDS=$((($1 + 3) / 4))
for kind in fuzz fuzz_vectors; do
    cargo test --locked --test lockstep -- --ignored --exact --nocapture "streams::$kind"
done
