#!/bin/bash
# Fails when a tracked file names a host or a folder that only one machine knows, when `unsafe`
# appears outside of the files below, when a module imports what it must not know, or when a file or
# a function has grown too long.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MAX_LINES=900 MAX_FUNCTION=70 MAX_COLUMNS=100

# Who may write `unsafe`: the emulator's memory, interpreter loop and edge to translated code, the module's
# edge to WASI, PID 1 for system calls that rustix lacks, the tests' engine, which loads compiled
# code, and the lock-step test, whose machine lives in an engine's memory.
readonly UNSAFE='^(emulator/src/(memory/mod|engine/(arch|run|state_box)|riscv/(hart|state|interpreter/(mod|atomic|group_ops|memory|vector)))\.rs|runtime/src/[a-z_]+\.rs|initramfs/init/src/.+\.rs|tests/end_to_end/engine\.rs|tests/lockstep/(arena|main|regions)\.rs)$'

# Hosts that text may name; names without a dot are examples, and so are loopback addresses.
readonly HOSTS='^(github\.com|wasmtime\.dev|(www\.)?[a-z]+\.org|snapshot\.debian\.org|[a-z.]*sourceforge\.net|index\.docker\.io|distribution\.github\.io|postcard\.jamesmunns\.com|127\.0\.0\.1|192\.0\.2\.1|[a-z0-9-]+(\.(invalid|example|test))?)$'

# Folders of a home, and the one this clone is in, as they end in panic messages and commands.
readonly FOLDERS="((/root|/home/[a-z]+)/\\.[a-z]|/Users/[a-z.]|$PWD/)"

failed=0

# refuse WHAT: lists what standard input has, if anything.
refuse() {
    local found
    found=$(cat)
    [ -n "$found" ] || return 0
    failed=1
    { echo "$1:" && sed 's/^/    /' <<< "$found"; } >&2
}

text() {
    git grep -I "$@" -- ':!Cargo.lock' ':!scripts/check-repo.sh' ':!tests/fixtures/images' \
        ':!fuzz/corpus' ':!prebuilt/licences' || true
}

refuse 'a host that is not on the list' < <(
    text -hoE '[a-z+]+://[A-Za-z0-9][A-Za-z0-9.-]*' | sort -u \
        | while IFS= read -r url; do
            grep -qE "$HOSTS" <<< "${url#*://}" || text -nF "$url"
        done)
refuse 'a folder of one machine' < <(text -nE "$FOLDERS")
refuse 'a folder of one machine in a prebuilt file' < <(
    for file in prebuilt/*/*.zst prebuilt/*/*.wasm; do
        zstd -dcfq "$file" | grep -aoE "$FOLDERS[ -~]{0,60}" | sed "s|^|$file: |" || true
    done)
refuse 'unsafe outside of its files' < <(
    git grep -nE '^[^/]*\bunsafe( |\()' -- '*.rs' \
        | awk -F: -v allowed="$UNSAFE" '$1 !~ allowed')
refuse 'file too long' < <(
    git ls-files -z '*.rs' | xargs -0 wc -l | awk -v max="$MAX_LINES" \
        '$2 != "total" && $1 > max { print $2 ": " $1 " lines, at most " max }')

# The walls: a module, which is a file or a folder, and what its code must not name. Those of the
# converter are in the order of its stages: each may know those before it, and none its caller.
walls() {
    cat << 'END'
emulator/src/engine crate::(riscv|machine|board)
emulator/src/devices crate::(riscv|engine|machine|board)
translator/src c2w_session|c2w_p9
translator/src/plan crate::(emit|riscv)|c2w_emulator::riscv|wasm_encoder
translator/src/emit crate::riscv|c2w_emulator::riscv
module-abi/src c2w_(emulator|session|translator|p9|guest_abi)
p9/src c2w_session|c2w_translator
nat/src c2w_(emulator|session|translator|p9|guest_abi|module_abi)
session/src c2w_translator|c2w_p9|c2w_nat|c2w_network|c2w_emulator::riscv
network/src c2w_translator|c2w_p9|c2w_module_abi|c2w_emulator::riscv
emulator/src/machine crate::riscv
emulator/src/board crate::riscv
runtime/src c2w_translator
initramfs/init/src c2w_(emulator|session|translator|p9)
src/progress crate::
src/target crate::(oci|rootfs|rootfs_source|ext4|emulator_disk|assets|boot|train|wasm|convert|cli|progress)\b
src/emulator_disk crate::(oci|rootfs_source|boot|train|wasm|convert|cli|progress)\b
src/oci crate::(rootfs::(apply|limits|spool|tree)|rootfs_source|ext4|boot|train|wasm|convert|cli)\b
src/rootfs crate::(oci|rootfs_source|ext4|boot|train|wasm|convert|cli|progress)\b
src/rootfs_source crate::(ext4|boot|train|wasm|convert|cli|progress)\b
src/ext4 crate::(oci|rootfs_source|boot|train|wasm|convert|cli|progress)\b
src/boot crate::(oci|rootfs_source|wasm|train|convert|cli|progress)\b
src/train crate::(oci|rootfs_source|rootfs|ext4|wasm|convert|cli|progress)\b
src/units crate::(oci|rootfs_source|rootfs|ext4|emulator_disk|boot|train|wasm|convert|cli|progress)\b
units/src c2w_(session|translator|p9|guest_abi|module_abi)
src/wasm crate::(oci|rootfs_source|rootfs|ext4|boot|train|convert|cli|progress)\b
END
}
# Tests may know more than what they test.
refuse 'an import over a wall (ARCHITECTURE.md)' < <(
    imports=$(git ls-files -z '*.rs' | xargs -0 python3 -B scripts/lib/imports.py)
    while read -r module forbidden; do
        grep -E "^$module(\.rs|/[^:]*):[0-9]+: ($forbidden)\b" <<< "$imports" \
            | grep -vE '^[^:]*tests?(\.rs|/)' | sort -u || true
    done < <(walls))

refuse 'a test that is in no program' < <(
    for file in $(git ls-files 'tests/*.rs' 'tests/*/main.rs' | sed 's|^tests/||'); do
        [[ $file != */* || $file == */main.rs ]] || continue
        grep -qE "^(mod ${file%.rs};|#\[path = \"$file\"\])\$" tests/integration.rs \
            || grep -qF "\"tests/$file\"" Cargo.toml || [ "$file" = integration.rs ] || echo "tests/$file"
    done)

# Functions that may be longer, each with the reason: file, function, why.
long_functions() {
    cat << 'END'
mod.rs run the interpreter loop: its state is in locals, and each operation a label of one match
op.rs lower a line for each instruction: the table from instructions to operations
integer.rs push_result a line for each instruction: the table to WebAssembly operators
instruction_tests.rs expected a line for each instruction: the table of expected values
instruction_tests.rs expected_float the same for floating point
END
}
refuse "function of more than $MAX_FUNCTION lines" < <(
    git ls-files -z '*.rs' | xargs -0 awk -v max="$MAX_FUNCTION" '
        FNR == 1 { start = 0 }
        /^ *(pub(\([a-z]+\))? )?(const )?(unsafe )?fn / && !/[;}]$/ {
            match($0, /^ */); indent = RLENGTH; start = FNR
            name = $0; sub(/^.*fn /, "", name); sub(/[^a-z0-9_].*/, "", name)
        }
        start && /^ *}/ && match($0, /^ */) && RLENGTH == indent {
            if (FNR - start >= max) print FILENAME ":" start ":" name ":" FNR - start + 1 " lines"
            start = 0
        }' | while IFS=: read -r file line name lines; do
            grep -q "^${file##*/} $name " < <(long_functions) || echo "$file:$line: $name: $lines"
        done)

# Advice only: no formatter breaks long texts.
git ls-files -z '*.rs' | xargs -0 awk -v max="$MAX_COLUMNS" \
    'length($0) > max { print "note: " FILENAME ":" FNR ": " length($0) " columns" }'
exit "$failed"
