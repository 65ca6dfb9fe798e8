#!/bin/bash
# fuzz-isa.sh SECONDS [SEED]: random instruction streams in the emulator and under QEMU, from a new
# seed each time. Prints the first stream that differs, as short as it gets; C2W_FUZZ_STREAM=SEED
# runs that one again. emulator/streams has the same with fixed seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 1 ] || { sed -n 2,4p "$0" >&2; exit 2; }
export C2W_FUZZ_SECONDS=$1
[ -z "${2:-}" ] || export C2W_FUZZ_SEED=$2
scripts/get-qemu-user.sh
cargo test --locked --package c2w-streams --test qemu -- --ignored --exact --nocapture fuzz
