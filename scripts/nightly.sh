#!/bin/bash
# The checks that take long, on Debian 12 as root: README's first command, licences and sources of
# dependencies, a real distribution, the fuzzers for SECONDS each (default 60).
# scripts/nightly.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/packages.sh
seconds=${1:-60}

step() {
    printf '\n== %s (at %d s)\n' "$*" "$SECONDS"
}

export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
step demo
scripts/demo.sh
step real image
scripts/test.sh install
install_packages arch-test binfmt-support debian-archive-keyring mmdebstrap qemu-user-static
# The whole workspace, or its dependencies would be compiled again with other features.
cargo test --locked --workspace --test end_to_end -- --ignored real_image
step dependencies
cargo install --locked --quiet --no-default-features --root target/tools cargo-deny@0.20.2
target/tools/bin/cargo-deny --offline check licenses bans sources
step fuzzers
# At once: each is compiled by one thread, as it runs.
scripts/fuzz.sh build
basename --multiple fuzz/corpus/* | xargs --max-procs=2 -I TARGET scripts/fuzz.sh TARGET "$seconds"
step done
