//! Directories that a run wants to be there. They are made where missing, 0755 and root's, as
//! Docker makes them: also at the end of a link whose target is missing. This process lives in the
//! container's root, so that is where every link stays.

use super::path;
use crate::failure::{MACHINE, NOT_EXECUTABLE, Result, failure};
use c2w_guest_abi::{Failure, place};
use rustix::fs::{FileType, Mode, lstat, mkdir, readlink};
use rustix::io::Errno;

/// Links on the way to one directory, as the kernel has it (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A directory that is there.
pub struct Directory {
    /// Its path without links.
    pub path: Vec<u8>,
    /// Whether it was missing.
    pub made: bool,
}

/// `mkdir -p`; `what` is what people call the directory.
pub fn make(what: &str, wanted: &[u8]) -> Result<Directory> {
    let mut pending = reversed(place::lexical(wanted).split(|&byte| byte == b'/'));
    let mut at = Vec::new();
    let (mut links, mut made) = (0, false);
    while let Some(name) = pending.pop() {
        if name == b".." {
            at.truncate(at.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
            continue;
        }
        let next = [&at[..], b"/", &name].concat();
        let step = step(&next, links).map_err(|error| cannot(what, wanted, &next, error))?;
        match step {
            Step::Directory { new } => {
                made = new;
                at = next;
            }
            Step::Link(target) => {
                links += 1;
                if target.first() == Some(&b'/') {
                    at.clear();
                }
                pending.extend(reversed(target.split(|&byte| byte == b'/')));
            }
        }
    }
    let path = if at.is_empty() { b"/".to_vec() } else { at };
    Ok(Directory { path, made })
}

/// The same for a place where something is to be mounted: not one of the system's own.
pub fn make_for_mount(wanted: &[u8]) -> Result<Directory> {
    const WHAT: &str = "mount point";
    let directory = make(WHAT, wanted)?;
    match place::system(&directory.path) {
        None => Ok(directory),
        Some(system) => {
            let [wanted, path] = [wanted, &directory.path].map(String::from_utf8_lossy);
            let leads =
                if wanted == path { String::new() } else { format!(": it leads to {path}") };
            let message = format!("{WHAT} {wanted}{leads}: {}", place::refusal(system));
            Err(failure(MACHINE, message))
        }
    }
}

/// What one more name leads to.
enum Step {
    Directory { new: bool },
    Link(Vec<u8>),
}

fn step(next: &[u8], links: usize) -> rustix::io::Result<Step> {
    let stat = match lstat(path(next)) {
        Err(Errno::NOENT) => {
            mkdir(path(next), Mode::from_raw_mode(0o755))?;
            return Ok(Step::Directory { new: true });
        }
        stat => stat?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Step::Directory { new: false }),
        FileType::Symlink if links == MAX_LINKS => Err(Errno::LOOP),
        FileType::Symlink => Ok(Step::Link(readlink(path(next), Vec::new())?.into_bytes())),
        _ => Err(Errno::NOTDIR),
    }
}

/// The names of a path, last one first, without those that lead nowhere.
fn reversed<'a>(names: impl DoubleEndedIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    names.rev().filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

/// `docker run` has 126 for a path that is not a directory or forbidden.
pub fn cannot(what: &str, wanted: &[u8], at: &[u8], error: Errno) -> Failure {
    let (status, why) = match error {
        Errno::NOTDIR => (NOT_EXECUTABLE, "not a directory".to_string()),
        Errno::ACCESS | Errno::PERM => (NOT_EXECUTABLE, "permission denied".to_string()),
        Errno::LOOP => (NOT_EXECUTABLE, "too many symbolic links, one after another".to_string()),
        error => (MACHINE, error.to_string()),
    };
    let [shown, at] = [wanted, at].map(String::from_utf8_lossy);
    let culprit = if shown == at { String::new() } else { format!("{at}: ") };
    failure(status, format!("{what} {shown}: {culprit}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    /// A temporary folder without links in its own path, and that path.
    fn folder() -> (TempDir, String) {
        let folder = TempDir::new_in(std::env::temp_dir().canonicalize().unwrap()).unwrap();
        let path = folder.path().to_str().unwrap().into();
        (folder, path)
    }

    #[test]
    fn links_to_missing_places_are_followed() {
        let (_folder, root) = folder();
        symlink("missing/deep/", format!("{root}/relative")).unwrap();
        symlink(format!("{root}/absolute-target"), format!("{root}/absolute")).unwrap();
        symlink("./up/../relative", format!("{root}/chain")).unwrap();
        for (wanted, place, made) in [
            ("plain//x/./", "plain/x", true),
            ("plain/x", "plain/x", false),
            ("relative/end", "missing/deep/end", true),
            ("absolute", "absolute-target", true),
            ("absolute/a/b", "absolute-target/a/b", true),
            ("chain", "missing/deep", false),
            ("never/../other", "other", true),
        ] {
            let found = make("directory", format!("{root}/{wanted}").as_bytes()).unwrap();
            let place = format!("{root}/{place}");
            assert_eq!(String::from_utf8(found.path).unwrap(), place, "{wanted}");
            assert_eq!(found.made, made, "{wanted}");
            assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o7777, 0o755);
        }
        assert!(fs::symlink_metadata(format!("{root}/never")).is_err());
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let (_folder, root) = folder();
        fs::write(format!("{root}/file"), "").unwrap();
        symlink("file/x", format!("{root}/link")).unwrap();
        symlink("b", format!("{root}/a")).unwrap();
        symlink("a", format!("{root}/b")).unwrap();
        for (wanted, message) in [
            ("file", format!("directory {root}/file: not a directory")),
            ("file/x", format!("directory {root}/file/x: {root}/file: not a directory")),
            ("link", format!("directory {root}/link: {root}/file: not a directory")),
        ] {
            let failed = make("directory", format!("{root}/{wanted}").as_bytes()).err().unwrap();
            assert_eq!((failed.status, failed.message), (NOT_EXECUTABLE, message));
        }
        let failed = make("directory", format!("{root}/a/x").as_bytes()).err().unwrap();
        assert_eq!(failed.status, NOT_EXECUTABLE);
        assert!(failed.message.contains("too many symbolic links"), "{}", failed.message);
    }

    #[test]
    fn a_link_to_the_system_is_no_mount_point() {
        let (_folder, root) = folder();
        symlink("/proc/sys", format!("{root}/link")).unwrap();
        let failed = make_for_mount(format!("{root}/link").as_bytes()).err().unwrap();
        assert!(failed.message.contains("leads to /proc/sys"), "{}", failed.message);
        assert!(make_for_mount(format!("{root}/other").as_bytes()).unwrap().made);
    }
}
