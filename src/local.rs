//! What lies on this machine under the name of an image that no registry has: whoever types
//! `c2w layout` or `c2w image.tar` most likely means that.

use crate::compression::{Decoder, buffered};
use crate::oci::reference::{DOCKER_HUB, Reference};
use crate::oci::{self, ErrorKind, ImageRef};
use crate::rootfs::tar::Archive;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;

/// The most bytes of an archive that are read.
const MAX_ARCHIVE: u64 = 128 << 20;

/// Folders that root filesystems have.
const OF_ROOTS: [&str; 3] = ["bin", "etc", "usr"];

/// Adds to an error of a registry what lies here under the image's name, if anything does.
pub fn with_hint(reference: &ImageRef, error: oci::Error) -> oci::Error {
    let elsewhere = matches!(
        error.kind,
        ErrorKind::NotFound(_)
            | ErrorKind::Unauthorized { .. }
            | ErrorKind::Address { .. }
            | ErrorKind::Unreachable { .. }
            | ErrorKind::Tls { .. }
            | ErrorKind::Registry { .. }
            | ErrorKind::Mirrors { .. }
            | ErrorKind::RegistriesConf(_)
            | ErrorKind::Proxy(_)
    );
    let hint = match reference {
        ImageRef::Registry(reference) if elsewhere => {
            paths(reference).iter().find_map(|path| hint(path))
        }
        _ => None,
    };
    match hint {
        Some(hint) => {
            let kind = ErrorKind::Hinted { error: Box::new(error.kind), hint };
            oci::Error { kind, ..error }
        }
        None => error,
    }
}

/// How to write what lies at `path`, if c2w reads it.
pub fn hint(path: &str) -> Option<String> {
    // A path with a colon cannot be written behind a transport.
    let path = Some(path).filter(|path| !path.contains(':'))?;
    let what = match kind(Path::new(path))? {
        Kind::Module => {
            return Some(format!(
                "here is a module of that name, made already: run it, or see `c2w inspect {path}`"
            ));
        }
        Kind::Directory(transport) => ("directory", vec![transport]),
        Kind::Archive(transports) => ("file", transports),
    };
    let (noun, transports) = what;
    let ways: Vec<_> = transports.iter().map(|transport| format!("{transport}:{path}")).collect();
    Some(format!("here is a {noun} of that name, which is read as {}", ways.join(" or ")))
}

/// What the user may have typed to get this reference, as paths.
fn paths(reference: &Reference) -> Vec<String> {
    let name = &reference.repository;
    let mut paths = vec![format!("{}/{name}", reference.registry)];
    if reference.registry == DOCKER_HUB {
        paths.insert(0, name.clone());
        paths.extend(name.strip_prefix("library/").map(str::to_owned));
    }
    paths
}

enum Kind {
    /// A directory, and how to read it.
    Directory(&'static str),
    /// An archive, and how to read it.
    Archive(Vec<&'static str>),
    /// A WebAssembly module.
    Module,
}

fn kind(path: &Path) -> Option<Kind> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_dir() {
        let has = |name: &&str| path.join(name).exists();
        return match () {
            () if has(&"oci-layout") => Some(Kind::Directory("oci")),
            () if has(&"manifest.json") && has(&"version") => Some(Kind::Directory("dir")),
            () if OF_ROOTS.iter().any(has) => Some(Kind::Directory("rootfs")),
            () => None,
        };
    }
    // Opening another kind of file may wait, or do something.
    let mut file = metadata.is_file().then(|| File::open(path).ok()).flatten()?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).and_then(|()| file.rewind()).ok()?;
    if magic == *b"\0asm" { Some(Kind::Module) } else { archive(file).map(Kind::Archive) }
}

/// What an archive is, by the names in it.
fn archive(file: File) -> Option<Vec<&'static str>> {
    let tar = Decoder::new(buffered(file).ok()?).ok()?;
    let mut archive = Archive::new(tar.take(MAX_ARCHIVE));
    let mut seen = false;
    loop {
        let entry = match archive.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => return seen.then(|| vec!["tarball"]),
            // Too long to tell, or damaged.
            Err(_) => return seen.then(|| vec!["docker-archive", "tarball"]),
        };
        seen = true;
        let name = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
        let folder = name.split(|&byte| byte == b'/').next().unwrap_or_default();
        match name {
            b"oci-layout" | b"index.json" => return Some(vec!["oci-archive"]),
            b"manifest.json" => return Some(vec!["docker-archive"]),
            _ if folder == b"blobs" => return Some(vec!["oci-archive"]),
            _ if OF_ROOTS.iter().any(|root| root.as_bytes() == folder) => {
                return Some(vec!["tarball"]);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_lies_here_is_told_by_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        for file in
            ["layout/oci-layout", "skopeo/manifest.json", "skopeo/version", "root/usr/bin/x"]
        {
            fs::create_dir_all(Path::new(&at(file)).parent().unwrap()).unwrap();
            fs::write(at(file), "").unwrap();
        }
        for file in ["old/0123/layer.tar", "old/manifest.json", "other/src/main.c", "odd/x"] {
            fs::create_dir_all(Path::new(&at(file)).parent().unwrap()).unwrap();
            fs::write(at(file), "x").unwrap();
        }
        for folder in ["layout", "root", "old", "other"] {
            let (name, folder) = (at(&format!("{folder}.tar.gz")), at(folder));
            let tar = Command::new("tar").args(["-czf", &name, "-C", &folder, "."]).status();
            assert!(tar.unwrap().success());
        }
        fs::write(at("module"), b"\0asm\x01\0\0\0").unwrap();
        fs::write(at("text"), "x".repeat(2000)).unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::write(at("a:b"), b"\0asm\x01\0\0\0").unwrap();
        for (name, expected) in [
            ("layout", "oci:"),
            ("skopeo", "dir:"),
            ("root", "rootfs:"),
            ("layout.tar.gz", "oci-archive:"),
            ("old.tar.gz", "docker-archive:"),
            ("root.tar.gz", "tarball:"),
            ("other.tar.gz", "tarball:"),
            ("module", "c2w inspect "),
        ] {
            let hint = hint(&at(name)).unwrap();
            assert!(hint.contains(&format!("{expected}{}", at(name))), "{hint}");
        }
        for none in ["odd", "old", "text", "empty", "none", "a:b"] {
            assert_eq!(hint(&at(none)), None, "{none}");
        }
        assert_eq!(hint("/dev/null"), None);
    }

    #[test]
    fn a_reference_may_have_been_a_path() {
        for (text, path) in [
            ("out.wasm", "out.wasm"),
            ("examples/busybox", "examples/busybox"),
            ("library/x", "library/x"),
            ("docker.io/library/x", "docker.io/library/x"),
            ("image.d/layout:v1", "image.d/layout"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert!(paths(&reference).contains(&path.to_owned()), "{text}");
        }
    }
}
