//! Nodes of the machine's devices in the container.

use super::{mount_point, path};
use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::handoff::DeviceNode;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Uid, chmod, chownat, lstat, mknodat};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;

/// Makes a node. One of the same device that is there already will do.
pub fn make(node: &DeviceNode) -> Result<()> {
    let place = path(&node.path);
    let what = || format!("making device {}", place.display());
    if let Some(directory) = place.parent() {
        mount_point::make("directory of a device", directory.as_os_str().as_bytes())?;
    }
    let (kind, mode) = (FileType::from_raw_mode(node.mode), Mode::from_raw_mode(node.mode));
    match mknodat(CWD, place, kind, mode, node.device) {
        Ok(()) => {}
        Err(Errno::EXIST) => return same(node),
        Err(error) => return Err(error).or_fail(&what()),
    }
    // Without this process' umask.
    chmod(place, mode).or_fail(&what())?;
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    chownat(CWD, place, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).or_fail(&what())
}

fn same(node: &DeviceNode) -> Result<()> {
    let place = path(&node.path);
    let stat = lstat(place).or_fail(&format!("examining {}", place.display()))?;
    let kind = FileType::from_raw_mode;
    if kind(stat.st_mode) == kind(node.mode) && stat.st_rdev == node.device {
        return Ok(());
    }
    let place = place.display();
    Err(failure(MACHINE, format!("making device {place}: something else has that name")))
}
