# Folders and records around prebuilt/. Sourced, not executed; the working directory is the
# repository's root.

# build_dir [FOLDER]: a new empty folder for one build.
build_dir() {
    if [ -n "${1:-}" ]; then
        mkdir -p "$1" && (cd "$1" && pwd)
    else
        mktemp -d
    fi
}

# record_packages ARTIFACT PACKAGE...: the exact build tools of an artifact.
record_packages() {
    local artifact=$1
    shift
    dpkg-query -W "$@" | LC_ALL=C sort > "prebuilt/$artifact.packages"
}

# sources_digest ARTIFACT: one sha256 over everything that prebuilt/SOURCES names for it.
# `lock:CRATE` stands for the exact dependencies of a workspace member.
sources_digest() {
    local source
    for source in $(awk -v artifact="$1" '$1 == artifact { $1 = ""; print }' prebuilt/SOURCES); do
        case $source in
            lock:*) awk -v crate="${source#lock:}" -f scripts/lib/lock-closure.awk Cargo.lock ;;
            *) find "$source" -type f ! -name '*.md' ! -path '*/target/*' -exec sha256sum {} + ;;
        esac
    done | LC_ALL=C sort -u | sha256sum | cut -d ' ' -f 1
}

# record_artifact FILE: its checksum, and the digest of the sources that it was built from.
record_artifact() {
    record_line SHA256SUMS "$1" "$(sha256sum "prebuilt/$1" | cut -d ' ' -f 1)"
    record_line SOURCES.sha256 "$1" "$(sources_digest "$1")"
}

# record_line LIST NAME DIGEST: one line for each name, sorted by name.
record_line() {
    local list=prebuilt/$1
    touch "$list"
    { awk -v name="$2" '$2 != name' "$list"; printf '%s  %s\n' "$3" "$2"; } \
        | LC_ALL=C sort -k 2 > "$list.new"
    mv "$list.new" "$list"
}
