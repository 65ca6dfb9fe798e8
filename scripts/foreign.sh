#!/bin/bash
# foreign.sh DIR ARCHITECTURE [PROGRAM...]: programs of Debian for another architecture than the
# guest's run in c2w as they run elsewhere.
#
# DIR keeps the images (scripts/foreign-images.sh, minutes more the first time). ARCHITECTURE is
# Debian's name, as amd64 or arm64. A PROGRAM is a file of tests/foreign; all of them by default.
# Each runs from the same root in a chroot of this machine (a foreign one under trixie's QEMU) and in
# c2w. Standard output, standard error and exit status must be equal. The table on standard output has
# the processor seconds that each took, without those that the same place takes to run nothing, and
# the ratio to the same program in DIR/riscv64, when there is that.
#
# ENGINE=run (default) is `c2w run`, ENGINE=module the converted module under wasmtime. C2W and WASMTIME
# name the programs, by default target/release/c2w and wasmtime. KEEP names a folder for all that came
# out, LIMIT the seconds after which a program is given up. Root only.
#
# Lines of a case that say how to run it:
#   # title:, # what:    for the table       # image:    of scripts/foreign-images.sh
#   # memory: MIB        of the machine
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 DIR ARCHITECTURE [PROGRAM...]" >&2; exit 2; }
mkdir -p "$1"
cache=$(realpath "$1")
architecture=$2
shift 2
c2w=$(realpath "${C2W:-$(dirname "$0")/../target/release/c2w}")
wasmtime=${WASMTIME:-wasmtime}
engine=${ENGINE:-run}
work=$(realpath -m "${KEEP:-$cache/run.$$}")
cd "$(dirname "$0")/.."
. scripts/lib/binfmt.sh
. scripts/lib/image.sh
# An emulator in an emulator takes its time.
: "${LIMIT:=3600}"
. scripts/lib/compare.sh

readonly CASES=tests/foreign

# seconds CASE PLACE: of the processor, without those that its image takes to run nothing.
seconds() {
    awk 'NR == 1 { start = $1 + $2 } END { printf "%.2f", $1 + $2 - start }' \
        "$work/nothing-$(field "$1" image)/$2.time" "$work/$1/$2.time"
}

# in_run PLACE CASE ARCHITECTURE SCRIPT
in_run() {
    record "$1" "$c2w" run -q --network none --memory "$(field "$2" memory 256)" \
        "oci:$cache/$3/$(field "$2" image)" -- bash -c "$4"
}

# in_module PLACE CASE ARCHITECTURE SCRIPT
in_module() {
    record "$1" "$wasmtime" run --allow-precompiled "$(compile "$2" "$3")" bash -c "$4"
}

# compile CASE ARCHITECTURE: the module of its image, made once in each run of this script.
compile() {
    local image memory name
    image=$(field "$1" image)
    memory=$(field "$1" memory 256)
    name=$work/$2-$image-$memory
    if [ ! -e "$name.cwasm" ]; then
        "$c2w" -q --memory "$memory" "oci:$cache/$2/$image" "$name.wasm"
        "$wasmtime" compile "$name.wasm" -o "$name.cwasm"
        rm "$name.wasm"
    fi
    echo "$name.cwasm"
}

# without_qemu_notices PLACE: QEMU's word about a signal; the program's exit status has it.
without_qemu_notices() {
    sed -i '/^qemu: uncaught target signal /d' "$1/stderr"
}

# everywhere FOLDER CASE SCRIPT: the script in the image of CASE, in each of the places.
everywhere() {
    local image
    image=$(field "$2" image)
    in_chroot "$1/judge" "$cache/$architecture/$image.root" root bash -c "$3"
    "in_$engine" "$1/c2w" "$2" "$architecture" "$3"
    without_notices "$1/c2w"
    without_qemu_notices "$1/c2w"
    without_qemu_notices "$1/judge"
    [ "$architecture" != riscv64 ] && [ -e "$cache/riscv64/$image.root" ] || return 0
    "in_$engine" "$1/riscv64" "$2" riscv64 "$3"
}

# run_case CASE: everywhere, and its row of the table.
run_case() {
    local case=$1 verdict=same here riscv64='' ratio='' difference nothing
    nothing=$work/nothing-$(field "$case" image)
    [ -e "$nothing" ] || everywhere "$nothing" "$case" :
    everywhere "$work/$case" "$case" "$(cat "$CASES/$case.sh")"
    here=$(seconds "$case" c2w)
    if [ -e "$work/$case/riscv64" ]; then
        riscv64=$(seconds "$case" riscv64)
        ratio=$(awk -v a="$here" -v b="$riscv64" 'BEGIN { if (b > 0) printf "%.1f", a / b }')
    fi
    if ! difference=$(same "$case" c2w); then
        verdict=DIFFERS
        failed=1
        printf '%s:\n%s\n' "$case" "$difference" | head -n 60 >&2
    fi
    printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$(field "$case" title)" \
        "$(field "$case" what)" "$verdict" "$here" "$(seconds "$case" judge)" "$riscv64" "$ratio"
}

for case in "$@"; do
    [ -e "$CASES/$case.sh" ] || { echo "$0: there is no program $CASES/$case.sh" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
scripts/foreign-images.sh "$cache" "$architecture" >&2
trap 'unregister_trixie "$architecture"; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
register_trixie "$architecture"
mkdir -p "$work"
failed=0
[ $# -gt 0 ] || set -- $(cd "$CASES" && printf '%s\n' *.sh | sed 's/\.sh$//')
echo "| program | what it does | compared | s in c2w | s elsewhere | s in c2w, riscv64 | ratio |"
echo "|---|---|---|---|---|---|---|"
for case in "$@"; do run_case "$case"; done
exit "$failed"
