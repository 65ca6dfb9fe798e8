# OCI layouts of Debian trixie, for any architecture of it. Sourced after debian.sh and binfmt.sh,
# not executed. Root only: package scripts run in a chroot, under QEMU when they are foreign.

readonly IMAGE_PATHS=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# oci_architecture ARCHITECTURE: the OCI's name of one of Debian's.
oci_architecture() {
    case $1 in
        armel | armhf) echo arm ;;
        i386) echo 386 ;;
        mips64el) echo mips64le ;;
        ppc64el) echo ppc64le ;;
        *) echo "$1" ;;
    esac
}

# gnu_type ARCHITECTURE: what cross compilers' names begin with.
gnu_type() {
    case $1 in
        armel) echo arm-linux-gnueabi ;;
        armhf) echo arm-linux-gnueabihf ;;
        i386) echo i686-linux-gnu ;;
        ppc64el) echo powerpc64le-linux-gnu ;;
        *) echo "$(qemu_architecture "$1")-linux-gnu" ;;
    esac
}

# debian_tar ARCHITECTURE PACKAGES TAR [OPTION...]: a root filesystem; packages come from this
# machine's own mirror, OPTIONs are mmdebstrap's.
debian_tar() {
    local architecture=$1 packages=$2 tar=$3
    shift 3
    require_binfmt "$architecture"
    mmdebstrap --quiet --mode=root --variant=minbase --architectures="$architecture" \
        --include="$packages" --keyring="$DEBIAN_KEYRING" --aptopt='Acquire::Retries "5"' "$@" \
        --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"' \
        "$DEBIAN_SUITE" "$tar" "$(debian_mirror)"
}

# oci_layout ARCHITECTURE TAR LAYOUT: the root TAR as the image LAYOUT:latest.
oci_layout() {
    local image=$3:latest architecture
    architecture=$(oci_architecture "$1")
    rm -rf "$3"
    mkdir -p "$(dirname "$3")"
    umoci init --layout "$3"
    umoci new --image "$image"
    umoci raw add-layer --image "$image" "$2"
    umoci config --image "$image" --os linux --architecture "$architecture" \
        --config.env "PATH=$IMAGE_PATHS" --config.cmd bash
    umoci gc --layout "$3"
    # umoci leaves the platform out of the index.
    sed -i 's/"annotations"/"platform":{"architecture":"'"$architecture"'","os":"linux"},&/' \
        "$3/index.json"
}

# Documentation and translations that no program reads.
readonly NO_DOCUMENTATION=(
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*'
    --dpkgopt='path-exclude=/usr/share/man/*'
)
# 180 MB of the compiler that no case runs.
readonly NO_UNUSED='cd "$1" && rm -f usr/libexec/gcc/*/*/lto1 usr/bin/*lto-dump* \
    usr/lib/gcc/*/*/lib*san* usr/lib/gcc/*/*/libstdc++*.a usr/lib/*/lib*san.so*'

# image_and_root ARCHITECTURE PACKAGES LAYOUT [OPTION...]: the image LAYOUT, and LAYOUT.root, the same
# root unpacked. What is there already is kept.
image_and_root() {
    local architecture=$1 packages=$2 layout=$3
    shift 3
    [ ! -e "$layout.root" ] || return 0
    echo "== $layout"
    mkdir -p "$(dirname "$layout")"
    debian_tar "$architecture" "$packages" "$layout.tar" "${NO_DOCUMENTATION[@]}" \
        --customize-hook="$NO_UNUSED" "$@"
    oci_layout "$architecture" "$layout.tar" "$layout"
    rm -rf "$layout.root.new"
    mkdir "$layout.root.new"
    tar -xf "$layout.tar" -C "$layout.root.new" --numeric-owner --xattrs --xattrs-include='*'
    mv "$layout.root.new" "$layout.root"
    rm "$layout.tar"
    du -sh "$layout" "$layout.root"
}
