//! An OCI image layout, in a directory or in an archive ([image-spec, image layout]).
//!
//! [image-spec, image layout]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

use super::files::Files;
use super::{Blob, Source};
use crate::oci::ErrorKind;
use crate::oci::manifest::{self, Descriptor, Document, MAX_MANIFEST, REF_NAME};
use crate::oci::reference::Select;
use serde::Deserialize;

/// The most bytes of the file `oci-layout`.
const MAX_LAYOUT_FILE: u64 = 4096;

pub(super) struct Layout {
    files: Files,
    roots: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

impl Layout {
    /// Finds what `select` names in the layout's index.
    pub(super) fn open(files: Files, select: &Select) -> Result<Self, ErrorKind> {
        let file = required(&files, "oci-layout", MAX_LAYOUT_FILE)?;
        let version = serde_json::from_slice::<LayoutFile>(&file)
            .map_err(|error| {
                ErrorKind::Place(format!("the file oci-layout is malformed: {error}"))
            })?
            .image_layout_version;
        if !version.starts_with("1.") {
            let text = format!("OCI layout version {version:?} is unknown, 1.0.0 is supported");
            return Err(ErrorKind::Place(text));
        }
        let index = required(&files, "index.json", MAX_MANIFEST)?;
        let entries = match manifest::parse(&index, manifest::media_type::INDEX)? {
            Document::Index(entries) => entries,
            Document::Manifest(_) => {
                return Err(ErrorKind::Place("its index.json is no index".into()));
            }
        };
        let roots = choose(entries, select)?;
        Ok(Self { files, roots })
    }
}

fn required(files: &Files, name: &str, limit: u64) -> Result<Vec<u8>, ErrorKind> {
    files.read(name, limit)?.ok_or_else(|| {
        let place = match files {
            Files::Directory(_) => "directory",
            Files::Archive(_) => "archive",
        };
        ErrorKind::Place(format!("the {place} is no OCI layout: it has no file {name}"))
    })
}

impl Source for Layout {
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        Ok(self.roots.clone())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let digest = &descriptor.digest;
        let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        let found = self.files.open(&name)?;
        Ok(found.ok_or_else(|| ErrorKind::MissingBlob(digest.clone()))?.content)
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
        Select::Index(number) => entries.get(*number).is_some_and(|at| std::ptr::eq(at, entry)),
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
