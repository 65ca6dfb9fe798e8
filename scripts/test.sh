#!/bin/bash
# Installs what the tests need and passes them, on Debian 12 with Rust 1.95 or later. As root it
# installs packages; another user is told which are missing. `scripts/test.sh install` does no more
# than that.
#
# Tests named as_root... are for root only. What cannot be had fails: nothing is passed over.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/packages.sh

# What the tests compare with: file systems, registries, an emulator, another clock. A cross compiler
# for programs that ask the guest's kernel; pip for the program wasmtime.
readonly PACKAGES=(
    bzip2 ca-certificates dnsmasq-base docker-registry e2fsprogs faketime openssl passt python3-pip qemu-user skopeo strace
    umoci xz-utils zstd gcc-riscv64-linux-gnu libc6-dev-riscv64-cross
)

require_rust
install_packages "${PACKAGES[@]}"
scripts/get-qemu-user.sh
scripts/install-runtimes.sh wasmtime
[ "${1:-}" != install ] || exit 0

# For these there is no "ignored, not installed". The cases of modules run on the crate wasmtime here;
# on other runtimes by scripts/runtimes.sh.
export C2W_REQUIRED="wasmtime passt riscv64-linux-gnu-gcc" C2W_RUNTIME_NAMES=
# No tests are in documentation; examples are compiled by the lints.
cargo test --locked --workspace --lib --bins --tests
[ "$(id -u)" = 0 ] || exit 0
cargo test --locked --workspace --test integration -- --ignored as_root
