//! An emulator for images of another CPU: a program on the machine's second disk, which the kernel
//! starts for their executables (Linux, Documentation/admin-guide/binfmt-misc.rst).

use super::container::{below_run, mount_disk};
use super::mounts::{make_directory, mount_at};
use crate::failure::{OrFail, Result};
use c2w_guest_abi::BinaryFormat;
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use std::fs;

const DISK: &str = "/dev/pmem1";
const BINFMT_MISC: &str = "/proc/sys/fs/binfmt_misc";
/// How the kernel starts it:
/// - `F`: as the file that is opened now, since the container has no such path;
/// - `P`: with the name that the command was called by, which is what busybox goes by;
/// - `C`: with the credentials that the executable gives (set-user-ID), not its own;
/// - `O`: with the executable opened, which its user need not be allowed to read.
const FLAGS: &str = "FPCO";

/// Has the kernel start the emulator. Of the disk only the open program is left; the kernel's list
/// of formats stays mounted, since it forgets them with that.
pub fn register(format: &BinaryFormat) -> Result<()> {
    let place = below_run("emulator");
    make_directory(&place)?;
    mount_disk(DISK, &place, "the emulator's disk")?;
    mount_at("binfmt_misc", BINFMT_MISC, MountFlags::empty(), None)?;
    fs::write(format!("{BINFMT_MISC}/register"), entry(format, &place))
        .or_fail(&format!("registering {}", format.interpreter))?;
    unmount(&*place, UnmountFlags::DETACH).or_fail(&format!("unmounting {place}"))?;
    fs::remove_dir(&place).or_fail(&format!("removing {place}"))
}

/// `:name:type:offset:magic:mask:interpreter:flags`
fn entry(format: &BinaryFormat, place: &str) -> String {
    let BinaryFormat { interpreter, magic, mask } = format;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    format!(":{interpreter}:M::{}:{}:{place}/{interpreter}:{FLAGS}", hex(magic), hex(mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_as_the_kernel_reads_it() {
        let format = BinaryFormat {
            interpreter: "qemu-x".into(),
            magic: b"\x7fE:\0".into(),
            mask: vec![0xff, 0xff, 0xfe, 0],
        };
        assert_eq!(
            entry(&format, "/run/emulator"),
            r":qemu-x:M::\x7f\x45\x3a\x00:\xff\xff\xfe\x00:/run/emulator/qemu-x:FPCO"
        );
    }
}
