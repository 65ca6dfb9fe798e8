# Rust for targets that the installed toolchain may lack. Sourced, not executed.
#
# Debian's rustc-web builds std itself (rust-web-src, -Zbuild-std), so that the result depends on
# Debian packages only.

# rust_environment TOP: compiler variables, and remaps of every folder of this machine that would
# end in panic messages.
rust_environment() {
    local sysroot registry folder
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0
    sysroot=$($RUSTC --print sysroot)
    registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
    # Before its folders are named: a new machine has none.
    /usr/bin/cargo fetch -q --locked
    RUST_REMAPS="--remap-path-prefix=$1=/c2w --remap-path-prefix=$sysroot=/rust"
    RUST_REMAPS+=" --remap-path-prefix=$(readlink -f "$sysroot/lib/rustlib/src/rust")=/rust/src"
    for folder in "$registry"/*; do
        RUST_REMAPS+=" --remap-path-prefix=$folder=/crates"
    done
}
