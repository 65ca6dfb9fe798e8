# riscv64 programs on this machine. Sourced, not executed.

# Foreign programs start only where the kernel knows their interpreter.
require_binfmt() {
    local formats=/proc/sys/fs/binfmt_misc
    [ -e "$formats/register" ] || mount -t binfmt_misc binfmt_misc "$formats"
    [ -e "$formats/qemu-riscv64" ] || update-binfmts --enable qemu-riscv64
    grep -qx enabled "$formats/qemu-riscv64" \
        || { echo "riscv64 programs cannot run here: install qemu-user-static" >&2; return 1; }
}
