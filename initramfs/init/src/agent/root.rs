//! What a run changes about the container's root: file systems in memory, more writing or none.

use super::mount_point::{Directory, make_for_mount};
use super::path;
use crate::failure::{OrFail, Result};
use crate::pid1::{MASKED_PATHS, READ_ONLY_MOUNTS, READ_ONLY_PATHS};
use c2w_guest_abi::Tmpfs;
use c2w_guest_abi::tmpfs::{self, TmpfsFlag, TmpfsOption};
use rustix::fs::{stat, symlink};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use std::ffi::CString;

/// Docker's for `--tmpfs`.
const TMPFS_FLAGS: MountFlags =
    MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);
/// What the container runtime has bound into the root, apart from whole file systems.
const FILES: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// Mounts an empty file system in memory. This process lives in the container's root, so the
/// target's symlinks cannot lead out of it.
pub fn mount_tmpfs(wanted: &Tmpfs) -> Result<()> {
    let (flags, mut data) = tmpfs_options(&wanted.options);
    let Directory { path: place, made } = make_for_mount(&wanted.target)?;
    if !made {
        // As Docker has it; an option after it wins.
        let mode = stat(path(&place)).or_fail("examining a mount point")?.st_mode & 0o7777;
        data.splice(..0, format!("mode={mode:o},").into_bytes());
    }
    let what = || {
        let (target, options) = (&wanted.target, &wanted.options);
        let text = String::from_utf8_lossy;
        format!("mounting a tmpfs at {} with options '{}'", text(target), text(options))
    };
    let data = CString::new(data).or_fail(&what())?;
    mount("tmpfs", path(&place), "tmpfs", flags, &*data).or_fail(&what())
}

/// Makes what lists the mounts for old programs, unless the image has something there, whatever it
/// is. Where that is not possible the image would not have it under Docker either.
pub fn link_mtab() {
    let _ = symlink("/proc/mounts", "/etc/mtab");
}

/// Splits mount(8)'s options into flags and what tmpfs itself understands.
fn tmpfs_options(options: &[u8]) -> (MountFlags, Vec<u8>) {
    let mut flags = TMPFS_FLAGS;
    let mut data: Vec<&[u8]> = Vec::new();
    for (word, option) in tmpfs::options(options) {
        match option {
            Some(TmpfsOption::Flag(flag, on)) => flags.set(mount_flag(flag), on),
            Some(TmpfsOption::Ignored) => {}
            // An unknown one is the kernel's to refuse.
            Some(TmpfsOption::Own(_)) | None => data.push(word),
        }
    }
    (flags, data.join(&b','))
}

fn mount_flag(flag: TmpfsFlag) -> MountFlags {
    match flag {
        TmpfsFlag::ReadOnly => MountFlags::RDONLY,
        TmpfsFlag::NoSuid => MountFlags::NOSUID,
        TmpfsFlag::NoDev => MountFlags::NODEV,
        TmpfsFlag::NoExec => MountFlags::NOEXEC,
        TmpfsFlag::NoAtime => MountFlags::NOATIME,
        TmpfsFlag::NoDirAtime => MountFlags::NODIRATIME,
        TmpfsFlag::StrictAtime => MountFlags::STRICTATIME,
    }
}

/// Undoes what the container runtime has mounted over /proc and /sys to hide or protect parts.
pub fn open_system() -> Result<()> {
    for place in MASKED_PATHS.iter().chain(&READ_ONLY_PATHS) {
        match unmount(*place, UnmountFlags::DETACH) {
            // Not in this kernel, and so not covered.
            Ok(()) | Err(Errno::NOENT | Errno::INVAL) => {}
            Err(error) => return Err(error).or_fail(&format!("uncovering {place}")),
        }
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    READ_ONLY_MOUNTS.iter().try_for_each(|place| {
        mount_remount(*place, flags, c"").or_fail(&format!("making {place} writable"))
    })
}

/// Keeps the image's volumes writable when the root will not be.
pub fn keep_writable(volumes: &[Vec<u8>]) -> Result<()> {
    volumes
        .iter()
        .try_for_each(|volume| mount_bind(path(volume), path(volume)).or_fail("mounting a volume"))
}

/// From now on the root refuses writing; what is mounted on it does not.
pub fn make_read_only() -> Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY;
    ["/"].iter().chain(&FILES).try_for_each(|place| match mount_remount(*place, flags, c"") {
        // A directory of the host hides it.
        Err(Errno::INVAL | Errno::NOENT) if *place != "/" => Ok(()),
        remounted => remounted.or_fail(&format!("making {place} read-only")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_flags_or_the_file_systems_own() {
        assert_eq!(tmpfs_options(b""), (TMPFS_FLAGS, vec![]));
        let (flags, data) = tmpfs_options(b"size=1m,exec,,mode=700,ro,dev,defaults,noatime");
        assert_eq!(flags, MountFlags::NOSUID | MountFlags::RDONLY | MountFlags::NOATIME);
        assert_eq!(data, b"size=1m,mode=700");
    }
}
