//! A directory of the host that an image is stored in.
//!
//! Its files may be symbolic links, as Bazel makes them. They are followed as long as they stay in
//! the directory: a layout is hostile, and must not have us read the host's files. No link is ever
//! followed by the system on our behalf, so it does not matter what changes while this reads.

use crate::oci::ErrorKind;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// Symbolic links followed for one name, as in Linux.
const MAX_LINKS: usize = 40;

/// Opening never waits for a pipe's writer, nor takes a terminal.
const OPEN: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

/// A directory, and nothing outside of it.
pub(super) struct Folder {
    dir: Dir,
    /// Its absolute path, name by name, without links.
    path: Vec<OsString>,
    /// As the user wrote it.
    shown: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let names = path.canonicalize()?;
        Ok(Self {
            dir,
            path: names.iter().skip(1).map(OsStr::to_owned).collect(),
            shown: path.to_owned(),
        })
    }

    /// The regular file `name`; `None` when there is nothing of that name.
    pub(super) fn file(&self, name: &str) -> Result<Option<File>, ErrorKind> {
        let read = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            _ => Err(ErrorKind::io(format!("read {name}"))(error)),
        };
        let found = match self.resolve(name) {
            Ok(path) => path,
            Err(Fault::Io(error)) => return read(error),
            Err(Fault::Leaves(link, target)) => {
                return Err(ErrorKind::Layout(format!(
                    "{link:?} is a symbolic link to {target:?}, which is not in the directory: \
                     copy all of it with `cp -rL {} COPY`, and use the copy",
                    self.shown.display()
                )));
            }
            Err(Fault::Circle) => {
                let text = format!("the symbolic links from {name:?} go round in circles");
                return Err(ErrorKind::Layout(text));
            }
        };
        self.open_regular(&found).map(Some).or_else(read)
    }

    /// Checks the type before it opens: opening alone can have an effect on a device.
    fn open_regular(&self, path: &Path) -> io::Result<File> {
        let odd = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        if !self.dir.symlink_metadata(path)?.is_file() {
            return Err(odd());
        }
        let mut options = OpenOptions::new();
        let file = self.dir.open_with(path, options.read(true).custom_flags(OPEN.bits() as i32))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(odd()) }
    }

    /// Where `name` leads, without links and below the directory.
    fn resolve(&self, name: &str) -> Result<PathBuf, Fault> {
        // An absolute path: a link may go up and come down into the directory again.
        let mut at = self.path.clone();
        let mut pending = names(Path::new(name));
        let mut last = None;
        let mut links = 0;
        while let Some(name) = pending.pop() {
            match name.as_encoded_bytes() {
                b"/" => at.clear(),
                b"." => {}
                b".." => drop(at.pop()),
                _ => at.push(name),
            }
            let Some(here) = self.inside(&at) else {
                // The directory's own path has no links.
                if self.path.starts_with(&at) {
                    continue;
                }
                return Err(leaves(last));
            };
            if here.as_os_str().is_empty() || !self.dir.symlink_metadata(&here)?.is_symlink() {
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Fault::Circle);
            }
            let target = self.dir.read_link_contents(&here)?;
            pending.extend(names(&target));
            at.pop();
            last = Some((here, target));
        }
        self.inside(&at).ok_or_else(|| leaves(last))
    }

    /// An absolute path as one below the directory, if it is in it.
    fn inside(&self, path: &[OsString]) -> Option<PathBuf> {
        path.strip_prefix(&self.path[..]).map(|names| names.iter().collect())
    }
}

/// Why a name leads to no file.
enum Fault {
    Io(io::Error),
    /// The link that leads out of the directory, and its target.
    Leaves(PathBuf, PathBuf),
    Circle,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Without any link it is the name itself, which then comes from the image.
fn leaves(last: Option<(PathBuf, PathBuf)>) -> Fault {
    match last {
        Some((link, target)) => Fault::Leaves(link, target),
        None => Fault::Io(io::Error::new(io::ErrorKind::InvalidInput, "it leads out of the image")),
    }
}

/// The parts of a path, the first at the end.
fn names(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    /// A directory `in` with the file `a/file`, and beside it a file `secret`.
    fn directory() -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("in");
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/file"), "content").unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        (outer, path)
    }

    fn read(path: &Path, name: &str) -> Result<Option<String>, String> {
        let file = Folder::open(path).unwrap().file(name).map_err(|error| error.to_string())?;
        Ok(file.map(|mut file| {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        }))
    }

    #[test]
    fn links_that_stay_inside_are_followed() {
        let (outer, path) = directory();
        let absolute = path.canonicalize().unwrap().join("a/./file");
        symlink(&path, outer.path().join("layout")).unwrap();
        symlink("a", path.join("dir")).unwrap();
        for (target, link) in [
            ("a/file", "relative"),
            ("../file", "a/b/up"),
            ("dir/../a//file", "around"),
            ("dir/b/up", "twice"),
            (absolute.to_str().unwrap(), "absolute"),
            ("../../in/a/file", "a/out-and-in"),
            ("..//./../in/dir/file", "a/b/../out-and-in-again"),
        ] {
            symlink(target, path.join(link)).unwrap();
            for place in [&path, &outer.path().join("layout")] {
                assert_eq!(read(place, link), Ok(Some("content".into())), "{target}");
            }
        }
        symlink("nothing", path.join("dangling")).unwrap();
        for none in ["dangling", "none", "none/file", "dir/none"] {
            assert_eq!(read(&path, none), Ok(None), "{none}");
        }
    }

    #[test]
    fn links_that_leave_are_refused_with_what_to_do() {
        let (outer, path) = directory();
        let absolute = outer.path().join("secret");
        // Its name begins as that of the directory does.
        fs::create_dir(outer.path().join("in2")).unwrap();
        fs::write(outer.path().join("in2/file"), "secret").unwrap();
        symlink("..", path.join("up")).unwrap();
        for (target, link) in [
            ("../secret", "relative"),
            (absolute.to_str().unwrap(), "absolute"),
            ("/etc/passwd", "system"),
            ("../in2/file", "similar"),
            ("up/secret", "through"),
            ("../../../../../../../../../../etc/passwd", "far"),
            ("/", "root"),
        ] {
            symlink(target, path.join(link)).unwrap();
            let error = read(&path, link).unwrap_err();
            assert!(error.contains("which is not in the directory"), "{target}: {error}");
            assert!(error.contains(&format!("`cp -rL {} COPY`", path.display())), "{error}");
        }
        // A name with such a link in its middle, and a name that itself climbs.
        assert!(read(&path, "up/secret").unwrap_err().contains("cp -rL"));
        assert!(read(&path, "../secret").unwrap_err().contains("leads out of the image"));
    }

    #[test]
    fn circles_end_and_odd_files_are_not_opened() {
        let (_outer, path) = directory();
        symlink("circle", path.join("circle")).unwrap();
        symlink("pong/x", path.join("ping")).unwrap();
        symlink("ping", path.join("pong")).unwrap();
        for name in ["circle", "ping", "circle/file"] {
            assert!(read(&path, name).unwrap_err().contains("go round in circles"), "{name}");
        }
        let fifo = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path.join("fifo"),
            rustix::fs::FileType::Fifo,
            fifo,
            0,
        )
        .unwrap();
        symlink("fifo", path.join("to-fifo")).unwrap();
        symlink("a", path.join("to-directory")).unwrap();
        for name in ["fifo", "to-fifo", "to-directory", "a"] {
            let error = read(&path, name).unwrap_err();
            assert!(error.contains("not a regular file"), "{name}: {error}");
        }
    }
}
