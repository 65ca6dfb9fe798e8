//! Where directories of the host appear in the container.

use crate::options::UsageError;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use c2w_guest_abi::{Mount, RunRequest, place};

/// Where a directory appears that would otherwise hide the container's root.
const HOST: &[u8] = b"/mnt/host";

/// A directory of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedDirectory {
    /// What it is to be called in the container, in the words of whoever shares it.
    pub guest: Vec<u8>,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// The mounts that show directories, numbered as they come, at their places: first those that
/// another may lie in. A relative name is taken from `/`; `/` itself and `.` become `/mnt/host`.
///
/// # Errors
/// [`UsageError`] for a name that goes up with `..`, or that is the system's own.
pub fn mounts(shared: &[SharedDirectory]) -> Result<Vec<Mount>, UsageError> {
    let mut mounts = Vec::new();
    for (number, SharedDirectory { guest, read_only }) in shared.iter().enumerate() {
        let (name, target) = (number.to_string().into_bytes(), target(guest)?);
        mounts.push(Mount { name, target, read_only: *read_only });
    }
    mounts.sort_by_key(|mount| mount.target.iter().filter(|&&byte| byte == b'/').count());
    Ok(mounts)
}

/// Refuses two mounts at one place: the first would be hidden, and what is written there would not
/// be where it was expected.
///
/// # Errors
/// [`UsageError`], which names the place.
pub fn check_mounts(request: &RunRequest) -> Result<(), UsageError> {
    let directories = request.mounts.iter().map(|mount| place::lexical(&mount.target));
    let tmpfs = request.tmpfs.iter().map(|tmpfs| place::lexical(&tmpfs.target));
    let mut targets = BTreeSet::new();
    for target in directories.chain(tmpfs) {
        if let Some(twice) = targets.replace(target) {
            let twice = String::from_utf8_lossy(&twice);
            return Err(UsageError(format!(
                "two mounts at {twice}: give one of them another place"
            )));
        }
    }
    Ok(())
}

fn target(guest: &[u8]) -> Result<Vec<u8>, UsageError> {
    let mut target = Vec::new();
    for name in guest.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                let guest = String::from_utf8_lossy(guest);
                return Err(UsageError(format!(
                    "directory {guest:?}: name its place without '..'"
                )));
            }
            name => {
                target.push(b'/');
                target.extend_from_slice(name);
            }
        }
    }
    if target.is_empty() {
        return Ok(HOST.to_vec());
    }
    match place::system(&target) {
        None => Ok(target),
        Some(system) => {
            let guest = String::from_utf8_lossy(guest);
            Err(UsageError(format!("directory {guest:?}: {}", place::refusal(system))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use c2w_guest_abi::Tmpfs;

    fn targets(names: &[&str]) -> Vec<(String, String)> {
        let shared =
            |name: &&str| SharedDirectory { guest: name.as_bytes().to_vec(), read_only: false };
        let shared: Vec<_> = names.iter().map(shared).collect();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let mounts = mounts(&shared).unwrap().into_iter();
        mounts.map(|mount| (text(mount.name), text(mount.target))).collect()
    }

    fn target(name: &str) -> String {
        targets(&[name]).remove(0).1
    }

    #[test]
    fn names_become_absolute() {
        for (name, expected) in [
            ("/data", "/data"),
            ("data", "/data"),
            ("./a//b/", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/", "/mnt/host"),
            (".", "/mnt/host"),
            ("", "/mnt/host"),
            ("//./", "/mnt/host"),
        ] {
            assert_eq!(target(name), expected, "{name:?}");
        }
    }

    #[test]
    fn an_outer_directory_is_mounted_first() {
        let order = [("1", "/a"), ("2", "/a"), ("0", "/a/b"), ("3", "/mnt/host")];
        let order: Vec<_> = order.map(|(name, target)| (name.into(), target.into())).into();
        assert_eq!(targets(&["/a/b", "/a", "a", "/"]), order);
    }

    #[test]
    fn the_system_keeps_its_places() {
        for name in ["/dev", "dev/", "/proc", "/proc/sys", "./sys", "/dev/pts/1"] {
            let shared = SharedDirectory { guest: name.as_bytes().to_vec(), read_only: false };
            let refused = mounts(&[shared]).unwrap_err().0;
            assert!(refused.contains(&format!("{name:?}: /")), "{refused}");
            assert!(refused.contains("belongs to the container's system"), "{refused}");
        }
        assert_eq!(target("/dev/shm/x"), "/dev/shm/x");
    }

    #[test]
    fn no_mount_hides_another() {
        let request = |directories: &[&str], tmpfs: &[&str]| {
            let shared =
                |name: &&str| SharedDirectory { guest: name.as_bytes().to_vec(), read_only: false };
            let shared: Vec<_> = directories.iter().map(shared).collect();
            let tmpfs =
                tmpfs.iter().map(|target| Tmpfs { target: (*target).into(), options: vec![] });
            RunRequest {
                mounts: mounts(&shared).unwrap(),
                tmpfs: tmpfs.collect(),
                ..RunRequest::default()
            }
        };
        assert_eq!(check_mounts(&request(&["/x", "/x/y", "/"], &["/x/z", "/mnt"])), Ok(()));
        for (directories, tmpfs) in
            [(&["/x", "x/."][..], &[][..]), (&["/x"], &["/y", "/x//"]), (&[], &["/x", "/y/../x"])]
        {
            let refused = check_mounts(&request(directories, tmpfs)).unwrap_err().0;
            assert!(refused.contains("two mounts at /x:"), "{refused}");
        }
    }

    #[test]
    fn nothing_goes_up() {
        for name in ["..", "/a/../b", "../x"] {
            let shared = SharedDirectory { guest: name.as_bytes().to_vec(), read_only: false };
            assert!(mounts(&[shared]).unwrap_err().0.contains(name), "{name}");
        }
    }
}
