//! Directories of the host, mounted at their places in the container.
//!
//! One 9p device offers them all as entries of its root. That root is mounted aside for a moment
//! and each entry is cloned from it: the container never sees the root itself. This process
//! lives in the container's root, so a target's symlinks cannot lead out of it.

use super::mount_point::make_for_mount;
use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::user::Account;
use c2w_guest_abi::Mount;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_remount, move_mount,
    open_tree, unmount,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Where the device's root is mounted meanwhile: /dev is the container runtime's own tmpfs.
const ASIDE: &str = "/dev/.c2w";
/// The device's tag, and how Linux talks to it. msize is the most that its virtio transport can
/// pass at once. What is read and written is not cached, since the server gives every file the
/// version 0; `cache=mmap` only lets programs map files for writing. `byname` is this kernel's own
/// (`kernel/patches`): one message looks a name up or opens it. `noxattr`, since the server has no
/// extended attributes.
const TAG: &str = "c2w";
const OPTIONS: &core::ffi::CStr =
    c"trans=virtio,version=9p2000.L,msize=512000,access=any,cache=mmap,noxattr,byname";
/// The same for every mount that comes from the host.
const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The host's directories in the container.
pub struct MountedDirectories {
    root: OwnedFd,
    trees: Vec<OwnedFd>,
}

impl MountedDirectories {
    /// Mounts the directories in order, so that a later one may lie inside an earlier one.
    pub fn mount(mounts: &[Mount]) -> Result<Self> {
        rustix::fs::mkdir(ASIDE, Mode::from_raw_mode(0o700)).or_fail("creating a mount point")?;
        mount(TAG, ASIDE, "9p", FLAGS, OPTIONS).or_fail("mounting the host's directories")?;
        let root = rustix::fs::open(ASIDE, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .or_fail("opening the host's directories")?;
        let trees: Result<_> = mounts.iter().map(|mount| place(root.as_fd(), mount)).collect();
        unmount(ASIDE, UnmountFlags::DETACH).or_fail("unmounting the host's directories")?;
        rustix::fs::unlinkat(CWD, ASIDE, AtFlags::REMOVEDIR).or_fail("removing a mount point")?;
        Ok(Self { root, trees: trees? })
    }

    /// Gives the directories to the command's user, with all in them that was given to nobody else.
    /// The server takes this from the owner of its root.
    pub fn give_to(self, account: &Account) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        rustix::fs::chownat(&self.root, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
            .or_fail("giving the host's directories to their user")?;
        // The kernel keeps the old owner cached until it asks again.
        let ask = |tree: &OwnedFd| rustix::fs::fstat(tree).map(drop);
        self.trees.iter().try_for_each(ask).or_fail("examining the host's directories")
    }
}

fn place(root: BorrowedFd<'_>, wanted: &Mount) -> Result<OwnedFd> {
    let target = String::from_utf8_lossy(&wanted.target).into_owned();
    if wanted.target.first() != Some(&b'/') {
        return Err(failure(MACHINE, format!("mount target '{target}' is not an absolute path")));
    }
    let what = format!("mounting {target}");
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(root, &wanted.name[..], flags).or_fail(&what)?;
    let place = make_for_mount(&wanted.target)?.path;
    let place = rustix::fs::openat2(
        CWD,
        &place[..],
        OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    )
    .or_fail(&what)?;
    let both_empty =
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, "", &place, "", both_empty).or_fail(&what)?;
    if wanted.read_only {
        // Only an attached mount can be remounted; the command does not run yet.
        let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
        mount_remount(path, FLAGS | MountFlags::BIND | MountFlags::RDONLY, c"").or_fail(&what)?;
    }
    Ok(tree)
}
