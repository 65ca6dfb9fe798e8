#!/bin/bash
# Gets the WASI runtimes that tests/end_to_end runs every case on, as far as packages have them:
#
#     scripts/install-runtimes.sh [NAME...]      default: node wasmedge wazero
#
# wasmedge and wazero come from Debian forky, whatever Debian this machine runs: their files and the
# libraries they need lie in a folder of their own, and small scripts start them from there. node is
# installed as a package, which needs root. wasmtime and wasmer are compiled from crates.io, which
# takes long: only when asked for by name. WAMR (iwasm, wamrc) is in no registry: build it as its
# authors say, and put it in PATH.
#
# What is in PATH already is left alone. The rest goes where the tests look for it: c2w/runtimes in
# the user's cache. Needs mmdebstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh

readonly SUITE=forky
readonly WASMTIME=48.0.8 WASMER=7.4.2

home=${XDG_CACHE_HOME:-$HOME/.cache}/c2w/runtimes
mkdir -p "$home/bin"
export PATH=$home/bin:$PATH

# from_debian NAME...: programs and packages have the same names.
from_debian() {
    local root loader name
    root=$home/$SUITE-$(IFS=-; echo "$*")
    rm -rf "$root"
    # A mirror that is a day behind is no harm here; signatures are checked all the same.
    mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$(IFS=,; echo "$*")" "$SUITE" "$root" \
        "deb [signed-by=$DEBIAN_KEYRING] $(debian_mirror) $SUITE main"
    loader=$(echo "$root"/usr/lib/*-linux-*/ld-linux*.so.*)
    for name; do
        # Not a link: a program starts with the loader and the libraries of its own Debian.
        printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
            "$loader" "${loader%/*}" "$root/usr/bin/$name" > "$home/bin/$name"
        chmod +x "$home/bin/$name"
        # Not every program knows its version.
        zcat "$root/usr/share/doc/$name/changelog.Debian.gz" \
            | sed -n '1s/.*(\(.*\)).*/\1/p' > "$home/$name.version"
    done
}

# from_crates CRATE VERSION OPTION...
from_crates() {
    cargo install --locked --root "$home" --version "$2" "$1" "${@:3}"
}

[ $# -gt 0 ] || set -- node wasmedge wazero
debian=()
for name; do
    if found=$(command -v "$name"); then
        echo "$name: $found"
        continue
    fi
    case $name in
        node) apt-get install -q -y --no-install-recommends nodejs ;;
        wasmedge | wazero) debian+=("$name") ;;
        wasmtime) from_crates wasmtime-cli "$WASMTIME" ;;
        wasmer) from_crates wasmer-cli "$WASMER" --no-default-features --features sys,cranelift ;;
        *) echo "no package of $name is known: put the program in PATH" >&2 && exit 1 ;;
    esac
done
[ ${#debian[@]} = 0 ] || from_debian "${debian[@]}"
