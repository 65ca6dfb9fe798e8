//! The file systems of PID 1 itself.

use crate::failure::{OrFail, Result};
use rustix::fs::{CWD, Mode, mkdir};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, move_mount, open_tree};
use std::ffi::CStr;

/// A tmpfs: what the container writes, and PID 1's few files.
pub const RUN: &str = "/run";

const SAFE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Mounts /proc, /sys, /dev, cgroup2 and [`RUN`], and makes `/` a mount that pivot_root(2) of a
/// container runtime accepts: the initramfs itself is not one.
pub fn mount_system() -> Result<()> {
    let root =
        open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
            .or_fail("cloning the root mount")?;
    move_mount(&root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .or_fail("mounting the root on itself")?;
    rustix::process::fchdir(&root).or_fail("entering the root mount")?;
    rustix::process::chroot(".").or_fail("entering the root mount")?;

    mount_at("proc", "/proc", SAFE, None)?;
    mount_at("sysfs", "/sys", SAFE, None)?;
    mount_at("devtmpfs", "/dev", MountFlags::NOSUID | MountFlags::NOEXEC, None)?;
    mount_at("cgroup2", "/sys/fs/cgroup", SAFE, None)?;
    // Of the memory: what the container may write. An inode costs memory too, so no second limit.
    mount_at("tmpfs", RUN, MountFlags::NODEV, Some(c"mode=0755,size=80%,nr_inodes=0"))
}

/// Mounts a file system that has no source on `target`, which is made when missing.
pub fn mount_at(kind: &str, target: &str, flags: MountFlags, data: Option<&CStr>) -> Result<()> {
    make_directory(target)?;
    mount(kind, target, kind, flags, data).or_fail(&format!("mounting {target}"))
}

/// mkdir(2), content with one that exists.
pub fn make_directory(path: &str) -> Result<()> {
    match mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error).or_fail(&format!("creating {path}")),
    }
}
