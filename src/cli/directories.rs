//! Directories of this host for `c2w run`.

use crate::shared::SharedDirectories;
use anyhow::{Context, Result, bail};
use c2w_guest_abi::{Mount, place};
use c2w_p9::Server;
use c2w_session::{P9Server, SharedDirectory, mounts};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Args)]
pub(super) struct DirectoryArgs {
    /// Map a directory of the host into the container, at GUEST or under its own name, as
    /// `wasmtime run --dir` does it. Repeatable.
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    directories: Vec<OsString>,
    /// The same, as `docker run -v` has it; `:ro` refuses writing. Repeatable.
    #[arg(short = 'v', long = "volume", value_name = "HOST:GUEST[:ro]")]
    volumes: Vec<OsString>,
}

/// Opened directories: their 9p server, and where they are mounted.
pub(super) struct Opened {
    pub server: Box<dyn P9Server>,
    pub mounts: Vec<Mount>,
}

/// One directory of the command line.
struct Directory<'a> {
    host: &'a Path,
    guest: &'a [u8],
    read_only: bool,
}

impl DirectoryArgs {
    /// Opens the directories; `None` when there are none.
    pub(super) fn open(&self) -> Result<Option<Opened>> {
        let directories = self.directories.iter().map(|text| from_dir(text));
        let volumes = self.volumes.iter().map(|text| from_volume(text));
        let mut host = SharedDirectories::default();
        let mut shared = Vec::new();
        for directory in directories.chain(volumes) {
            let Directory { host: path, guest, read_only } = directory?;
            host.add(path, read_only).with_context(|| {
                format!(
                    "cannot map {path:?} into the container: name a directory that exists and that \
                     you may read"
                )
            })?;
            shared.push(SharedDirectory { guest: guest.to_vec(), read_only });
        }
        let mounts = mounts(&shared).map_err(|error| anyhow::anyhow!(error.0))?;
        Ok((!mounts.is_empty()).then(|| Opened { server: Box::new(Server::new(host)), mounts }))
    }
}

fn from_dir(text: &OsStr) -> Result<Directory<'_>> {
    let bytes = text.as_bytes();
    let (host, guest) = match bytes.windows(2).position(|pair| pair == b"::") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, bytes),
    };
    // The root itself is shown elsewhere.
    match place::system(guest) {
        Some(system) if system != "/" => bail!("--dir {text:?}: {}", place::refusal(system)),
        _ => Ok(Directory { host: Path::new(OsStr::from_bytes(host)), guest, read_only: false }),
    }
}

fn from_volume(text: &OsStr) -> Result<Directory<'_>> {
    let mut parts = text.as_bytes().split(|&byte| byte == b':');
    let (host, guest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let read_only = match (parts.next().map(volume_options), parts.next()) {
        (None, None) => false,
        (Some(Some(read_only)), None) => read_only,
        _ => bail!("volume {text:?}: give HOST:GUEST, or HOST:GUEST:ro"),
    };
    if host.is_empty() || !guest.starts_with(b"/") {
        bail!("volume {text:?}: give HOST:GUEST, with GUEST an absolute path in the container");
    }
    if let Some(system) = place::system(guest) {
        bail!("volume {text:?}: {}", place::refusal(system));
    }
    Ok(Directory { host: Path::new(OsStr::from_bytes(host)), guest, read_only })
}

/// Reads what stands behind the second colon, words with commas: whether writing is refused. `None`
/// if one is unknown, or two contradict each other.
fn volume_options(words: &[u8]) -> Option<bool> {
    let mut read_only = None;
    for word in words.split(|&byte| byte == b',') {
        match word {
            b"ro" | b"rw" if read_only.is_none() => read_only = Some(word == b"ro"),
            // Of labels, caches and propagation that Docker's host has, and this machine has not.
            b"z" | b"Z" | b"cached" | b"delegated" | b"consistent" | b"nocopy" | b"rprivate" => {}
            _ => return None,
        }
    }
    Some(read_only.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(directory: Directory<'_>) -> (&str, &str, bool) {
        let guest = str::from_utf8(directory.guest).unwrap();
        (directory.host.to_str().unwrap(), guest, directory.read_only)
    }

    #[test]
    fn a_directory_is_given_as_for_wasmtime() {
        let dir = |text| from_dir(OsStr::new(text)).map(read);
        assert_eq!(dir("/a/b").unwrap(), ("/a/b", "/a/b", false));
        assert_eq!(dir(".::/work").unwrap(), (".", "/work", false));
        assert_eq!(dir("a:b").unwrap(), ("a:b", "a:b", false));
        assert_eq!(dir("/").unwrap(), ("/", "/", false));
        for text in [".::/dev", "/proc", ".::sys/", ".::/proc/sys"] {
            let refused = dir(text).unwrap_err().to_string();
            assert!(refused.contains(&format!("--dir {text:?}: /")), "{refused}");
        }
    }

    #[test]
    fn a_volume_is_given_as_for_docker() {
        let volume = |text| from_volume(OsStr::new(text)).map(read);
        assert_eq!(volume("a:/b").unwrap(), ("a", "/b", false));
        assert_eq!(volume("/a:/b:ro").unwrap(), ("/a", "/b", true));
        assert_eq!(volume("/a:/b:rw").unwrap(), ("/a", "/b", false));
        assert_eq!(volume("/a:/b:z,ro,cached").unwrap(), ("/a", "/b", true));
        assert_eq!(volume("/a:/b:delegated").unwrap(), ("/a", "/b", false));
        for text in [
            "/a",
            ":/b",
            "/a:b",
            "/a:/b:x",
            "/a:/b:ro,rw",
            "/a:/b:",
            "/a:/b:ro:x",
            "/a:",
            "a:/dev:ro",
            "a:/",
        ] {
            assert!(from_volume(OsStr::new(text)).is_err(), "{text}");
        }
    }
}
