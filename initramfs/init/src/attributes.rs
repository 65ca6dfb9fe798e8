//! Owner, mode, times and extended attributes of directories.

use crate::failure::{OrFail, Result};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chmod, chownat,
    fstat, futimens, lgetxattr, llistxattr, lsetxattr, lstat, open, utimensat,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// Attributes by which an overlay marks its layers: on its upper one they would be taken for its
/// own.
const OVERLAYS_OWN: &[u8] = b"trusted.overlay.";

/// Gives the directory `to` what `from` has, but for the time of its last change, which nobody can
/// set.
pub fn copy(from: &str, to: &str) -> Result<()> {
    let what = format!("attributes of {to}");
    let stat = lstat(from).or_fail(&what)?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).or_fail(&what)?;
    copy_xattrs(from, to).or_fail(&what)?;
    // An access control list has changed the mode.
    chmod(to, Mode::from_raw_mode(stat.st_mode)).or_fail(&what)?;
    utimensat(CWD, to, &times_of(&stat), AtFlags::SYMLINK_NOFOLLOW).or_fail(&what)
}

fn copy_xattrs(from: &str, to: &str) -> rustix::io::Result<()> {
    let names = match whole(|list| llistxattr(from, list)) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        names => names?,
    };
    for name in names.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if name.to_bytes().starts_with(OVERLAYS_OWN) {
            continue;
        }
        let value = whole(|value| lgetxattr(from, name, value))?;
        match lsetxattr(to, name, &value, XattrFlags::empty()) {
            // Of a kind that a file system in memory does not have.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A list or value of any length; Linux allows 64 KiB.
fn whole(
    mut read: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 64 << 10];
    let length = read(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Times of last access and modification of some directories at one moment.
pub struct Times(Vec<(OwnedFd, Timestamps)>);

impl Times {
    /// Those of the directories that can be opened.
    pub fn of(directories: impl IntoIterator<Item = OwnedFd>) -> Result<Self> {
        let times = |directory: OwnedFd| {
            let times = times_of(&fstat(&directory).or_fail("times of a directory")?);
            Ok((directory, times))
        };
        directories.into_iter().map(times).collect::<Result<_>>().map(Self)
    }

    /// Those of `/`.
    pub fn of_root() -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::of([open("/", flags, Mode::empty()).or_fail("opening the root")?])
    }

    /// Makes mount points, and what else was put into the directories since, leave no trace in
    /// their times.
    pub fn restore(&self) -> Result<()> {
        const WHAT: &str = "times of a directory";
        for (directory, times) in &self.0 {
            let now = times_of(&fstat(directory).or_fail(WHAT)?);
            if now.last_modification != times.last_modification {
                futimens(directory, times).or_fail(WHAT)?;
            }
        }
        Ok(())
    }
}

fn times_of(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Timestamps {
        last_access: time(stat.st_atime as _, stat.st_atime_nsec as _),
        last_modification: time(stat.st_mtime as _, stat.st_mtime_nsec as _),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use tempfile::TempDir;

    /// Two directories in a temporary folder.
    fn directories() -> (TempDir, String, String) {
        let folder = TempDir::new().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        for directory in [&from, &to] {
            fs::create_dir(directory).unwrap();
        }
        let [from, to] = [from, to].map(|directory| directory.to_str().unwrap().into());
        (folder, from, to)
    }

    fn mtime(directory: &str) -> (i64, i64) {
        let metadata = fs::metadata(directory).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    }

    fn set_mtime(directory: &str) {
        let time = Timespec { tv_sec: -77, tv_nsec: 5 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, directory, &times, AtFlags::empty()).unwrap();
    }

    #[test]
    fn a_directory_gets_all_that_another_has() {
        let (_folder, from, to) = directories();
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&from, Some(70_000), Some(8)).unwrap();
        }
        chmod(&*from, Mode::from_raw_mode(0o3555)).unwrap();
        let flags = XattrFlags::empty();
        let user = lsetxattr(&*from, c"user.text", b"value", flags).is_ok();
        if root {
            lsetxattr(&*from, c"trusted.text", b"", flags).unwrap();
            lsetxattr(&*from, c"trusted.overlay.opaque", b"y", flags).unwrap();
        }
        set_mtime(&from);
        copy(&from, &to).unwrap();
        let [from_stat, to_stat] = [&from, &to].map(|path| lstat(&**path).unwrap());
        let seen = |stat: &Stat| {
            let times = times_of(stat);
            let owner = (stat.st_uid, stat.st_gid);
            (stat.st_mode, owner, times.last_access, times.last_modification)
        };
        assert_eq!(seen(&to_stat), seen(&from_stat));
        assert_eq!((to_stat.st_mode & 0o7777, mtime(&to)), (0o3555, (-77, 5)));
        let value = |name| whole(|value| lgetxattr(&*to, name, value));
        if user {
            assert_eq!(value(c"user.text").unwrap(), b"value");
        }
        if root {
            assert_eq!(value(c"trusted.text").unwrap(), b"");
            assert_eq!(value(c"trusted.overlay.opaque").unwrap_err(), Errno::NODATA);
        }
    }

    #[test]
    fn what_is_made_in_a_directory_leaves_its_times() {
        let (_folder, from, _) = directories();
        set_mtime(&from);
        let opened = open(&*from, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let times = Times::of([opened]).unwrap();
        fs::create_dir(format!("{from}/made")).unwrap();
        assert_ne!(mtime(&from), (-77, 5));
        times.restore().unwrap();
        assert_eq!(mtime(&from), (-77, 5));
    }
}
