//! Places of the container that are the system's own: nothing of a run is mounted there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What belongs to the system with all that is below it: what the kernel shows, and devices that
/// programs count on.
const WHOLE: [&str; 4] = ["/proc", "/sys", "/dev/pts", "/dev/mqueue"];
/// What belongs to it alone: `/dev/shm`, for one, can be had.
const ALONE: [&str; 2] = ["/", "/dev"];

/// A path from the root without empty names, `.` and `..`, symlinks not being resolved
/// (Go's `filepath.Clean`).
pub fn lexical(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() {
        return b"/".to_vec();
    }
    names.iter().flat_map(|name| [b"/", *name]).flatten().copied().collect()
}

/// The part of the system that `path` is or lies in, if it does; symlinks are not resolved.
pub fn system(path: &[u8]) -> Option<&'static str> {
    let path = lexical(path);
    let below = |whole: &&str| {
        path.strip_prefix(whole.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    };
    let alone = |alone: &&str| path == alone.as_bytes();
    WHOLE.into_iter().find(below).or_else(|| ALONE.into_iter().find(alone))
}

/// Why nothing is mounted at a place of [`system`].
pub fn refusal(system: &str) -> String {
    format!(
        "{system} belongs to the container's system, nothing can be mounted there: \
         name another place, /mnt/data for example"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain() {
        for (path, plain) in [
            ("", "/"),
            ("//", "/"),
            ("a/./b//", "/a/b"),
            ("/a/../../b/..", "/"),
            ("/a/b/../c", "/a/c"),
            ("/...", "/..."),
        ] {
            assert_eq!(lexical(path.as_bytes()), plain.as_bytes(), "{path}");
        }
    }

    #[test]
    fn the_system_has_its_places() {
        for (path, system_place) in [
            ("/", Some("/")),
            ("/x/..", Some("/")),
            ("/dev", Some("/dev")),
            ("//dev/.", Some("/dev")),
            ("/dev/shm", None),
            ("/dev/pts/0", Some("/dev/pts")),
            ("/proc", Some("/proc")),
            ("/proc/sys/vm", Some("/proc")),
            ("/sys/", Some("/sys")),
            ("/process", None),
            ("/srv/proc", None),
            ("/mnt/../sys/fs", Some("/sys")),
        ] {
            assert_eq!(system(path.as_bytes()), system_place, "{path}");
        }
    }
}
