# Programs of other architectures on this machine. Sourced, not executed.

# qemu_architecture ARCHITECTURE: QEMU's name of one of Debian's.
qemu_architecture() {
    case $1 in
        amd64) echo x86_64 ;;
        arm64) echo aarch64 ;;
        armel | armhf) echo arm ;;
        loong64) echo loongarch64 ;;
        ppc64el) echo ppc64le ;;
        *) echo "$1" ;;
    esac
}

# native_here ARCHITECTURE: whether this machine runs its programs without QEMU.
native_here() {
    case $(dpkg --print-architecture)/$1 in
        "$1/$1" | amd64/i386) return 0 ;;
        *) return 1 ;;
    esac
}

# require_binfmt ARCHITECTURE: foreign programs start only where the kernel knows their interpreter.
require_binfmt() {
    local formats=/proc/sys/fs/binfmt_misc format
    ! native_here "$1" || return 0
    format=qemu-$(qemu_architecture "$1")
    [ -e "$formats/register" ] || mount -t binfmt_misc binfmt_misc "$formats"
    [ -e "$formats/$format" ] || update-binfmts --enable "$format"
    grep -qx enabled "$formats/$format" \
        || { echo "$1 programs cannot run here: install qemu-user-static" >&2; return 1; }
}

# register_trixie ARCHITECTURE: trixie's QEMU instead of this Debian's, until unregister_trixie.
register_trixie() {
    local qemu format formats=/proc/sys/fs/binfmt_misc magic mask
    ! native_here "$1" || return 0
    require_binfmt "$1"
    qemu=qemu-$(qemu_architecture "$1")
    format=$formats/$qemu
    magic=$(sed -n 's/^magic //p' "$format" | sed 's/../\\x&/g')
    mask=$(sed -n 's/^mask //p' "$format" | sed 's/../\\x&/g')
    scripts/get-qemu-user.sh "${qemu#qemu-}" > /dev/null
    unregister_trixie "$1"
    # What was registered last comes first. F: the interpreter is opened here, not in a chroot.
    printf ':c2w-%s:M:0:%s:%s:%s:PF' "$qemu" "$magic" "$mask" \
        "${XDG_CACHE_HOME:-$HOME/.cache}/c2w/$qemu" > "$formats/register"
}

# unregister_trixie ARCHITECTURE
unregister_trixie() {
    local format
    format=/proc/sys/fs/binfmt_misc/c2w-qemu-$(qemu_architecture "$1")
    [ ! -e "$format" ] || echo -1 > "$format"
}
