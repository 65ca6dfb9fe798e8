#!/bin/bash
# network.sh DIR [CASE...]: programs of a real Debian use the network of c2w, in `c2w run` and in a
# component of WASI 0.2 under wasmtime, against real servers on this machine's loopback.
#
# DIR keeps the image (minutes more the first time). A CASE is a file of tests/network, as curl; all of
# them by default. Each runs with scripts/lib/network.sh and says by its status whether all came out as
# it must. The table on standard output has what each has measured, and its seconds, servers and the
# container's start included. Packages of Debian that are missing on this machine are installed.
#
# C2W and WASMTIME name the programs, by default target/release/c2w and wasmtime; COMPONENT a component
# of the image that is ready, compiled or not. KEEP names a folder for all that came out, LIMIT the
# seconds after which a case is given up. ENGINES is "run component", or one of them. Root only.
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
engines=${ENGINES:-run component}
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/binfmt.sh
. scripts/lib/image.sh
. scripts/lib/packages.sh

readonly CASES=tests/network
readonly PACKAGES=apt,bind9-dnsutils,ca-certificates,curl,iperf3,iproute2,iputils-ping,netcat-openbsd,\
nginx-light,openssh-client,python3,python3-pip,python3-venv,python3-websockets
readonly SERVERS=(apt-utils curl dnsmasq-base dpkg-dev gnupg iperf3 openssh-client openssh-server
    python3-websockets)
readonly BUILDERS=(arch-test binfmt-support debian-archive-keyring mmdebstrap qemu-user-static umoci)
limit=${LIMIT:-600}

# field CASE NAME: what a line `# NAME: ` of the case says.
field() {
    sed -n "s/^# $2: //p" "$CASES/$1.sh"
}

# compile: the component, in the form that starts at once.
compile() {
    if [ -z "$component" ]; then
        component=$work/tools.wasm
        "$c2w" -q --target wasip2 "oci:$cache/tools" "$component"
    fi
    [[ $component == *.cwasm ]] || "$wasmtime" compile "$component" -o "$work/tools.cwasm"
    [[ $component == *.cwasm ]] || component=$work/tools.cwasm
}

# run_case ENGINE CASE: its cell of the table; what it said on standard error, if it fails.
run_case() {
    local place=$work/$2/$1 verdict=pass start=$EPOCHREALTIME
    mkdir -p "$place"
    engine=$1 place=$place c2w=$c2w image=oci:$cache/tools wasmtime=$wasmtime component=$component \
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
    for engine in run component; do
        cell=
        [[ " $engines " != *" $engine "* ]] || cell=$(run_case "$engine" "$1")
        [[ $cell != FAIL* ]] || failed=1
        cells+=" $cell |"
    done
    echo "| $(field "$1" title) | $(field "$1" what) |$cells"
}

for case in "$@"; do
    [ -e "$CASES/$case.sh" ] || { echo "$0: there is no case $CASES/$case.sh" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
install_packages "${SERVERS[@]}"
[ -e "$cache/tools.root" ] || install_packages "${BUILDERS[@]}"
image_and_root riscv64 "$PACKAGES" "$cache/tools" >&2
trap '[ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
mkdir -p "$work"
[[ " $engines " != *" component "* ]] || compile
failed=0
[ $# -gt 0 ] || set -- $(cd "$CASES" && printf '%s\n' *.sh | sed 's/\.sh$//')
echo "| program | what it does | c2w run | component |"
echo "|---|---|---|---|"
for case in "$@"; do row "$case"; done
exit "$failed"
