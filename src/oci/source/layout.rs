//! An OCI image layout in a directory ([image-spec, image layout]).
//!
//! The directory may be hostile: only regular files are read, and none outside of it.
//!
//! [image-spec, image layout]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

use super::{Blob, Source};
use crate::oci::ErrorKind;
use crate::oci::manifest::{self, Descriptor, Document, MAX_MANIFEST, REF_NAME};
use crate::oci::reference::Select;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use serde::Deserialize;
use std::io::{self, Read};
use std::path::Path;

/// The most bytes of the file `oci-layout`.
const MAX_LAYOUT_FILE: u64 = 4096;

pub(super) struct Layout {
    dir: Dir,
    roots: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

impl Layout {
    /// Opens the layout and finds what `select` names in its index.
    pub(super) fn open(path: &Path, select: &Select) -> Result<Self, ErrorKind> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(ErrorKind::io(format!("open the directory {}", path.display())))?;
        let file = read_file(&dir, "oci-layout", MAX_LAYOUT_FILE)?;
        let version = serde_json::from_slice::<LayoutFile>(&file)
            .map_err(|error| {
                ErrorKind::Layout(format!("the file oci-layout is malformed: {error}"))
            })?
            .image_layout_version;
        if !version.starts_with("1.") {
            let text = format!("OCI layout version {version:?} is unknown, 1.0.0 is supported");
            return Err(ErrorKind::Layout(text));
        }
        let index = read_file(&dir, "index.json", MAX_MANIFEST)?;
        let entries = match manifest::parse(&index, manifest::media_type::INDEX)? {
            Document::Index(entries) => entries,
            Document::Manifest(_) => {
                return Err(ErrorKind::Layout("its index.json is no index".into()));
            }
        };
        let roots = choose(entries, select)?;
        Ok(Self { dir, roots })
    }
}

impl Source for Layout {
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        Ok(self.roots.clone())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let digest = &descriptor.digest;
        let path = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        match open_regular(&self.dir, &path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ErrorKind::MissingBlob(digest.clone()))
            }
            Err(error) => Err(ErrorKind::io(format!("read {path}"))(error)),
        }
    }
}

/// The entries of `index.json` that `select` names. Several of one tag, or several without any,
/// stand for different platforms.
fn choose(entries: Vec<Descriptor>, select: &Select) -> Result<Vec<Descriptor>, ErrorKind> {
    let mut tags: Vec<&str> = entries.iter().filter_map(tag).collect();
    tags.sort_unstable();
    tags.dedup();
    let there_is = match tags[..] {
        [] => "; the layout has no tags".to_owned(),
        _ => format!("; the layout has the tags {}", tags.join(", ")),
    };
    if *select == Select::Only && tags.len() > 1 {
        return Err(ErrorKind::Ambiguous(tags.join(", ")));
    }
    let named = |entry: &Descriptor| match select {
        Select::Only => true,
        Select::Tag(name) => tag(entry) == Some(name),
        Select::Digest(digest) => entry.digest == *digest,
    };
    let chosen: Vec<Descriptor> = entries.iter().filter(|entry| named(entry)).cloned().collect();
    if chosen.is_empty() {
        return Err(ErrorKind::NotFound(there_is));
    }
    Ok(chosen)
}

fn tag(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).map(String::as_str)
}

/// Opens a file of the layout. cap-std resolves every part of the path inside the directory.
fn open_regular(dir: &Dir, path: &str) -> io::Result<File> {
    if !dir.symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // Checked before: opening a FIFO would wait for a writer.
    dir.open(path)
}

fn read_file(dir: &Dir, name: &str, limit: u64) -> Result<Vec<u8>, ErrorKind> {
    let file = match open_regular(dir, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!("the directory is no OCI layout: it has no file {name}");
            return Err(ErrorKind::Layout(text));
        }
        other => other.map_err(ErrorKind::io(format!("read {name}")))?,
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(ErrorKind::io(format!("read {name}")))?;
    if bytes.len() as u64 > limit {
        return Err(ErrorKind::Layout(format!("its {name} has more than {limit} bytes: refused")));
    }
    Ok(bytes)
}
