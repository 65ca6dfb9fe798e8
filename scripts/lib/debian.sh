# Packages of Debian trixie, whatever Debian this machine runs. Sourced, not executed.
#
# A private apt root keeps the machine's own package lists as they are; only the mirror's address
# comes from its sources.

readonly DEBIAN_SUITE=trixie
readonly DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian mirror that this machine's apt uses.
debian_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CREATED_BY)' \
        | awk '$2 == "Debian" && $3 == "Packages" && $1 !~ /security/ { print $1; exit }')
    [ -n "$mirror" ] || { echo "no Debian mirror in apt's sources: run apt-get update" >&2; return 1; }
    echo "$mirror"
}

# trixie_apt ROOT ARCHITECTURE COMMAND...: apt in its own root.
trixie_apt() {
    local root=$1 architecture=$2 tool=$3
    shift 3
    "$tool" -q \
        -o Dir::Etc::sourcelist="$root/trixie.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State="$root" -o Dir::State::lists="$root/lists" -o Dir::State::status="$root/status" \
        -o Dir::Cache="$root/cache" -o APT::Architecture="$architecture" \
        -o APT::Architectures::="$architecture" -o APT::Sandbox::User= "$@"
}

# trixie_update ROOT ARCHITECTURE: makes the root and reads the mirror's package lists.
trixie_update() {
    local root=$1 mirror
    mirror=$(debian_mirror)
    mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
    : > "$root/status"
    printf '%s [signed-by=%s] %s %s main\n' \
        deb "$DEBIAN_KEYRING" "$mirror" "$DEBIAN_SUITE" \
        deb-src "$DEBIAN_KEYRING" "$mirror" "$DEBIAN_SUITE" > "$root/trixie.list"
    trixie_apt "$root" "$2" apt-get update > "$root/update.log" \
        || { cat "$root/update.log" >&2; return 1; }
}

# require_same WHAT EXPECTED ACTUAL: a recorded version that has left the mirror is an error that
# says what to do, never a silent upgrade.
require_same() {
    [ "$2" = "$3" ] && return 0
    {
        echo "$1: version $2 is recorded, the mirror has $3."
        echo "Get $2 from https://snapshot.debian.org, or record the new version and rebuild."
    } >&2
    return 1
}

# trixie_unpack ROOT ARCHITECTURE VERSIONS TARGET: unpacks the packages that VERSIONS pins, a line for
# each: package, version, sha256 of the .deb.
trixie_unpack() {
    local root=$1 architecture=$2 package version digest debs
    debs=$(mktemp -d "$root/debs.XXXXXX")
    while read -r package version digest; do
        case $package in '#'*) continue ;; esac
        (cd "$debs" && trixie_apt "$root" "$architecture" \
            apt-get download "$package=$version" > /dev/null) \
            || require_same "$package" "$version" "another version" || return 1
        echo "$digest  $(echo "$debs/${package}_"*.deb)" | sha256sum --check --quiet || return 1
        dpkg-deb -x "$debs/${package}_"*.deb "$4" || return 1
    done < "$3"
}
