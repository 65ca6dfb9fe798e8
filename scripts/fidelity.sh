#!/bin/bash
# fidelity.sh DIR [CASE...]: programs of a real Debian run in c2w as they run elsewhere.
#
# DIR keeps the images (scripts/fidelity-images.sh, 10 minutes more the first time). A CASE is a file
# of tests/fidelity, as must/git; all of them by default, and then docs/fidelity.md is written anew.
# Each runs three times from the same root: under chroot and QEMU's user mode emulation, in
# `c2w run`, and in the module under wasmtime. Standard output, standard error and exit status
# must be equal. None of the places has a network. Where QEMU cannot judge, a file beside the case
# says what must come out.
#
# C2W and WASMTIME name the programs, by default target/release/c2w and wasmtime. Root only.
# With LEAST_MEMORY=1 the column of that name is filled in: more runs, with less and less memory.
#
# Lines of a case that say how to run it:
#   # title:, # what:    for the table       # note:     anything worth knowing, for the table
#   # memory: MIB        of the machine      # user:     the image's USER
#   # options: ...       of the run, as --privileged
#   # judge: expected    compare with CASE.expected and an empty standard error
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 DIR [CASE...]" >&2; exit 2; }
mkdir -p "$1"
cache=$(realpath "$1")
shift
c2w=$(realpath "${C2W:-$(dirname "$0")/../target/release/c2w}")
wasmtime=${WASMTIME:-wasmtime}
cd "$(dirname "$0")/.."
. scripts/lib/binfmt.sh
. scripts/lib/image.sh
. scripts/lib/compare.sh

readonly CASES=tests/fidelity TABLE=docs/fidelity.md
# under_qemu PLACE CASE
under_qemu() {
    in_chroot "$1" "$cache/${2%%/*}.root" "$(field "$2" user root)" bash -c "$(cat "$CASES/$2.sh")"
}

# native PLACE CASE MEMORY
native() {
    local options
    read -ra options <<< "$(field "$2" options)"
    record "$1" "$c2w" run -q --network none --memory "$3" "$(image "$2")" -- \
        "${options[@]}" bash -c "$(cat "$CASES/$2.sh")"
    without_notices "$1"
}

# module PLACE CASE MEMORY
module() {
    local compiled options
    compiled=$(compile "$2" "$3")
    read -ra options <<< "$(field "$2" options)"
    record "$1" "$wasmtime" run --allow-precompiled "$compiled" \
        "${options[@]}" bash -c "$(cat "$CASES/$2.sh")"
    without_notices "$1"
}

# image CASE: its name for c2w; every USER has a tag.
image() {
    local tag
    tag=$(field "$1" user latest)
    echo "oci:$cache/${1%%/*}:$tag"
}

# compile CASE MEMORY: the module for it, made once in each run of this script.
compile() {
    local image name
    image=$(image "$1")
    name=$work/$(tr -c 'a-z0-9\n' - <<< "${image#"oci:$cache/"}-$2")
    if [ ! -e "$name.cwasm" ]; then
        "$c2w" -q --memory "$2" "$image" "$name.wasm"
        "$wasmtime" compile "$name.wasm" -o "$name.cwasm"
        rm "$name.wasm"
    fi
    echo "$name.cwasm"
}

# judge PLACE CASE: what must come out.
judge() {
    if [ "$(field "$2" judge)" != expected ]; then
        under_qemu "$1" "$2"
        return
    fi
    mkdir -p "$1"
    cp "$CASES/$2.expected" "$1/stdout"
    : > "$1/stderr"
    echo 0 > "$1/status"
}

# least_memory CASE: the smallest machine of a few sizes that does it.
least_memory() {
    local size least limit=300
    least=$(field "$1" memory 256)
    for size in 128 64; do
        native "$work/$1/least" "$1" "$size"
        same "$1" least > /dev/null || break
        least=$size
    done
    echo "$least"
}

# verdict CASE PLACE: one line on standard output, and the difference on standard error.
verdict() {
    local difference
    if difference=$(same "$1" "$2"); then
        echo pass
    else
        echo FAIL
        printf '%s in %s:\n%s\n' "$1" "$2" "$difference" | head -n 60 >&2
    fi
}

# run_case CASE: all of it, and its row of the table.
run_case() {
    local case=$1 memory native module least=
    memory=$(field "$case" memory 256)
    judge "$work/$case/judge" "$case"
    native "$work/$case/native" "$case" "$memory"
    module "$work/$case/module" "$case" "$memory"
    native=$(verdict "$case" native)
    module=$(verdict "$case" module)
    [ -z "${LEAST_MEMORY:-}" ] || least=$(least_memory "$case")
    echo "$case: native $native, module $module${least:+, $least MiB do}"
    [ "$native$module" = passpass ] || failed=1
    printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$(field "$case" title)" \
        "$(field "$case" what)" "$(field "$case" judge QEMU)" "$native" "$module" "$least" \
        "$(field "$case" note)" >> "$work/rows"
}

# write_table: the page about all cases.
write_table() {
    {
        cat "$CASES/header.md"
        echo
        echo '| program | what it does | judge | c2w run | module in wasmtime | least MiB | |'
        echo '|---|---|---|---|---|---|---|'
        cat "$work/rows"
    } > "$TABLE"
}

for case in "$@"; do
    [ -e "$CASES/$case.sh" ] || { echo "$0: there is no case $CASES/$case.sh" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
require_binfmt riscv64
scripts/fidelity-images.sh "$cache"
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0
if [ $# -gt 0 ]; then
    for case in "$@"; do run_case "$case"; done
else
    while read -r case; do run_case "$case" < /dev/null; done \
        < <(cd "$CASES" && printf '%s\n' must/*.sh more/*.sh privileged/*.sh | sed 's/\.sh$//')
    write_table
fi
exit "$failed"
