//! Where directories of the host appear in the container.

use crate::options::UsageError;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use c2w_guest_abi::{Mount, place};

/// Where a directory appears that would otherwise hide the container's root.
const HOST: &[u8] = b"/mnt/host";

/// A directory of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
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
pub fn mounts(shared: &[Shared]) -> Result<Vec<Mount>, UsageError> {
    let mut mounts = Vec::new();
    for (number, Shared { guest, read_only }) in shared.iter().enumerate() {
        let (name, target) = (number.to_string().into_bytes(), target(guest)?);
        mounts.push(Mount { name, target, read_only: *read_only });
    }
    mounts.sort_by_key(|mount| mount.target.iter().filter(|&&byte| byte == b'/').count());
    Ok(mounts)
}

fn target(guest: &[u8]) -> Result<Vec<u8>, UsageError> {
    let mut target = Vec::new();
    for name in guest.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                let guest = String::from_utf8_lossy(guest);
                return Err(UsageError(format!(
                    "directory {guest:?}: '..' leads out of the container; name its place there"
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

    fn targets(names: &[&str]) -> Vec<(String, String)> {
        let shared = |name: &&str| Shared { guest: name.as_bytes().to_vec(), read_only: false };
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
            let shared = Shared { guest: name.as_bytes().to_vec(), read_only: false };
            let refused = mounts(&[shared]).unwrap_err().0;
            assert!(refused.contains(&format!("{name:?}: /")), "{refused}");
            assert!(refused.contains("belongs to the container's system"), "{refused}");
        }
        assert_eq!(target("/dev/shm/x"), "/dev/shm/x");
    }

    #[test]
    fn nothing_goes_up() {
        for name in ["..", "/a/../b", "../x"] {
            let shared = Shared { guest: name.as_bytes().to_vec(), read_only: false };
            assert!(mounts(&[shared]).unwrap_err().0.contains(name), "{name}");
        }
    }
}
