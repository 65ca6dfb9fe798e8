#!/bin/bash
# network.sh DIR [CASE...]: programs of a real Debian use the network of c2w against real servers on this
# machine's loopback: in `c2w run`, in a component of WASI 0.2 under wasmtime, and in a module of WASI
# preview 1 beside `c2w net-helper`.
#
# DIR keeps the image (minutes more the first time). A CASE is a file of tests/network, as curl; all of
# them by default. Each runs with scripts/lib/network.sh and says by its status whether all came out as
# it must. The table on standard output has what each has measured, and its seconds, servers and the
# container's start included. Packages of Debian and runtimes that are missing on this machine are
# installed.
#
# ENGINES is the table's columns, "run component" by default; others are the runtimes of modules,
# wasmtime, wazero, wasmedge and node. C2W and WASMTIME name the programs, by default target/release/c2w
# and wasmtime; COMPONENT a component of the image that is ready, compiled or not. KEEP names a folder
# for all that came out, LIMIT the seconds after which a case is given up. Root only.
#
# Lines of a case: # title:, # what:    for the table
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 DIR [CASE...]" >&2; exit 2; }
mkdir -p "$1"
cache=$(realpath "$1")
shift
c2w=$(realpath "${C2W:-$(dirname "$0")/../target/release/c2w}")
wasmtime=${WASMTIME:-wasmtime}
component=${COMPONENT:+$(realpath "$COMPONENT")}
work=$(realpath -m "${KEEP:-$cache/run.$$}")
built=$work/built
read -ra engines <<< "${ENGINES:-run component}"
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/binfmt.sh
. scripts/lib/image.sh
. scripts/lib/packages.sh

readonly CASES=tests/network
readonly PACKAGES=apt,bind9-dnsutils,ca-certificates,curl,iperf3,iproute2,iputils-ping,netcat-openbsd,\
nginx-light,npm,openssh-client,python3,python3-pip,python3-venv,python3-websockets
# Of what npm's package depends on, 160 MB that build libraries and that npm does not read.
readonly NO_BUILD='cd "$1/usr" && rm -rf include lib/*/*.a && cd share/nodejs && rm -rf @babel @types \
    caniuse-lite core-js core-js-pure es-abstract eslint lodash lodash-es web-streams-polyfill webpack'
readonly SERVERS=(apt-utils curl dnsmasq-base dpkg-dev gnupg iperf3 openssh-client openssh-server
    python3-websockets)
readonly BUILDERS=(arch-test binfmt-support debian-archive-keyring mmdebstrap qemu-user-static umoci)
limit=${LIMIT:-600}

# field CASE NAME: what a line `# NAME: ` of the case says.
field() {
    sed -n "s/^# $2: //p" "$CASES/$1.sh"
}

# install_runtime ENGINE: the program that runs its modules, unless it is here.
install_runtime() {
    local program=$1
    case $1 in
        run) return ;;
        component | wasmtime) program=$wasmtime ;;
    esac
    command -v "$program" > /dev/null || scripts/install-runtimes.sh "${1/component/wasmtime}" >&2
}

# convert TARGET FILE: makes it of the image, once.
convert() {
    [ -e "$2" ] || "$c2w" -q --target "$1" "oci:$cache/tools" "$2"
}

# compile ENGINE: puts into `modules` what the engine runs, in the form that starts at once.
declare -A modules
compile() {
    local module=$built/module.wasm
    case $1 in
        run) return ;;
        component)
            module=${component:-$built/component.wasm}
            [ -n "$component" ] || convert wasip2 "$module"
            ;;
        *) convert wasip1 "$module" ;;
    esac
    modules[$1]=$module
    case $1 in
        component | wasmtime)
            [[ $module != *.cwasm ]] || return 0
            modules[$1]=$built/$1.cwasm
            "$wasmtime" compile "$module" -o "${modules[$1]}"
            ;;
        wasmedge)
            modules[$1]=$built/wasmedge.so
            wasmedge compile "$module" "${modules[$1]}" >&2
            ;;
        wazero) wazero compile -cachedir "$module.wazero" "$module" ;;
    esac
}

# run_case ENGINE CASE: its cell of the table; what it said on standard error, if it fails.
run_case() {
    local place=$work/$2/$1 verdict=pass start=$EPOCHREALTIME
    mkdir -p "$place"
    engine=$1 place=$place c2w=$c2w image=oci:$cache/tools wasmtime=$wasmtime module=${modules[$1]:-} \
        timeout -k 10 "$limit" bash -euo pipefail -c '. scripts/lib/network.sh; . "$0"' \
        "$CASES/$2.sh" > "$place/log" 2>&1 < /dev/null || verdict=FAIL
    if [ "$verdict" = FAIL ]; then
        { echo "$2 in $1:"; tail -n 40 "$place/log"; } >&2
    elif [ -e "$place/figure" ]; then
        verdict=$(cat "$place/figure")
    fi
    printf '%s, %s s' "$verdict" \
        "$(awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.1f", end - start }')"
}

# row CASE: its line of the table.
row() {
    local engine cell cells=
    for engine in "${engines[@]}"; do
        cell=$(run_case "$engine" "$1")
        [[ $cell != FAIL* ]] || failed=1
        cells+=" $cell |"
    done
    echo "| $(field "$1" title) | $(field "$1" what) |$cells"
}

# complete ROOT: whether an image's root has all packages.
complete() {
    local package
    for package in ${PACKAGES//,/ }; do
        grep -qsx "Package: $package" "$1/var/lib/dpkg/status" || return 1
    done
}

for engine in "${engines[@]}"; do
    case $engine in
        run | component | wasmtime | wazero | wasmedge | node) ;;
        *) echo "$0: there is no engine $engine" >&2; exit 2 ;;
    esac
done
for case in "$@"; do
    [ -e "$CASES/$case.sh" ] || { echo "$0: there is no case $CASES/$case.sh" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
install_packages "${SERVERS[@]}"
# An image of an older list of packages is made anew.
complete "$cache/tools.root" || rm -rf "$cache/tools.root"
[ -e "$cache/tools.root" ] || install_packages "${BUILDERS[@]}"
image_and_root riscv64 "$PACKAGES" "$cache/tools" --customize-hook="$NO_BUILD" >&2
trap '[ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
rm -rf "$built"
mkdir -p "$built"
PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/c2w/runtimes/bin
for engine in "${engines[@]}"; do
    install_runtime "$engine"
    compile "$engine"
done
failed=0
[ $# -gt 0 ] || set -- $(cd "$CASES" && printf '%s\n' *.sh | sed 's/\.sh$//')
printf '| program | what it does |'
printf ' %s |' "${engines[@]/#run/c2w run}"
printf '\n|---|---|'
printf -- '---|%.0s' "${engines[@]}"
echo
for case in "$@"; do row "$case"; done
exit "$failed"
