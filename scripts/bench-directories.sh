#!/bin/bash
# bench-directories.sh: what small files of a mapped directory cost, in modules without and with
# translated code and in `c2w run`, as a Markdown table of medians on standard output.
#
# RUNS (default 5) is how often, WASMTIME the wasmtime to use, C2W the c2w (default: built here).
# The image is examples/busybox. CPU seconds of the whole process, user and system; `true` is taken off.
set -euo pipefail
cd "$(dirname "$0")/.."
wasmtime=${WASMTIME:-wasmtime}
command -v "$wasmtime" > /dev/null || { echo "$0: needs wasmtime, or its path in WASMTIME" >&2; exit 1; }
c2w=${C2W:-}
if [ -z "$c2w" ]; then
    cargo build --release --locked --quiet
    c2w=${CARGO_TARGET_DIR:-target}/release/c2w
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/listed"
(cd "$work/listed" && seq -f 'file-%05.0f' 20000 | xargs touch)
for aot in off auto; do
    "$c2w" -q --aot="$aot" oci:examples/busybox "$work/$aot.wasm"
    "$wasmtime" compile "$work/$aot.wasm" -o "$work/$aot.cwasm"
done

# Prints the CPU seconds of COMMAND on directory DIR, in a WAY.
cpu() {
    local way=$1 dir=$2 TIMEFORMAT='%U %S'
    shift 2
    case $way in
        native) set -- "$c2w" run -v "$dir:/data" oci:examples/busybox -- sh -c "$1" ;;
        *) set -- "$wasmtime" run --allow-precompiled --dir "$dir::/data" "$work/$way.cwasm" sh -c "$1" ;;
    esac
    { time "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }; } 2>&1 | awk '{ print $1 + $2 }'
}

median() {
    sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

# Prints a workload's medians, less those of `true`.
row() {
    local name=$1 dir=$2 command=$3 way cells=""
    for way in off auto native; do
        local took idle
        took=$(for _ in $(seq "${RUNS:-5}"); do
            [ "$dir" = listed ] || { rm -rf "${work:?}/$dir" && mkdir "$work/$dir"; }
            cpu "$way" "$work/$dir" "$command"
        done | median)
        idle=$(for _ in $(seq "${RUNS:-5}"); do cpu "$way" "$work/$dir" true; done | median)
        cells+=$(awk -v took="$took" -v idle="$idle" 'BEGIN { printf " | %.2f", took - idle }')
    done
    echo "| $name$cells |"
}

echo '| CPU s | module | `--aot auto` | `c2w run` |'
echo '|---|---:|---:|---:|'
row '`ls -l` of 20,000 names' listed 'test "$(ls -l /data | wc -l)" = 20001'
row 'a shell makes 5,000 files of a line and looks at each' made \
    'cd /data; i=0; while [ $i -lt 5000 ]; do echo a line > f$i; [ -s f$i ] || exit 1; i=$((i+1)); done'
